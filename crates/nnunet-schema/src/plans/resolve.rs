//! From the configurations as they stand in the file to typed ones, and back.

use serde_json::{Map, Value};

use super::{Configuration, Plans, legacy};
use crate::{SchemaError, python_json};

impl Plans {
    /// The configuration `name`, with `inherits_from` resolved: the child's keys replace the
    /// parent's. One that was written before networks were described by `architecture` is
    /// brought to the present form.
    ///
    /// # Errors
    /// [`SchemaError::UnknownConfiguration`] if it, or one that it inherits from, is not there;
    /// [`SchemaError::Configuration`] with the place in the document if it is malformed or
    /// inherits in a circle.
    pub fn configuration(&self, name: &str) -> Result<Configuration, SchemaError> {
        let fail = |key: &str, message: String| self.fault(name, key, message);
        let mut merged = self.resolve(name, &mut Vec::new())?;
        legacy::modernise(&mut merged).map_err(|(key, message)| fail(&key, message))?;
        let configuration: Configuration = serde_path_to_error::deserialize(Value::Object(merged))
            .map_err(|error| {
                let message = format!("is malformed: {}", python_json::describe(error.inner()));
                fail(&error.path().to_string(), message)
            })?;
        (configuration.check()).map_err(|(key, message)| fail(&key, message))?;
        Ok(configuration)
    }

    /// Keeps the configurations of older plans of the same name that these plans don't have:
    /// they come after the new ones. What a user added by hand survives planning anew; whatever
    /// else the older plans say is dropped. The answer names what was kept.
    pub fn keep_foreign_configurations(&mut self, older: &Self) -> Vec<String> {
        let foreign: Vec<_> = (older.configurations.iter())
            .filter(|(name, _)| !self.configurations.contains_key(*name))
            .map(|(name, entry)| (name.clone(), entry.clone()))
            .collect();
        let names = foreign.iter().map(|(name, _)| name.clone()).collect();
        self.configurations.extend(foreign);
        names
    }

    /// Stores `configuration` under `name`, replacing one of the same name.
    ///
    /// # Errors
    /// [`SchemaError::Configuration`] if it cannot be written as JSON.
    pub fn insert(&mut self, name: &str, configuration: &Configuration) -> Result<(), SchemaError> {
        match serde_json::to_value(configuration) {
            Ok(Value::Object(map)) => {
                self.configurations.insert(name.to_owned(), map);
                Ok(())
            }
            Ok(other) => Err(self.fault(name, ".", format!("is {other}, expected an object"))),
            Err(error) => Err(self.fault(name, ".", error.to_string())),
        }
    }

    fn resolve(
        &self,
        name: &str,
        visited: &mut Vec<String>,
    ) -> Result<Map<String, Value>, SchemaError> {
        let fault = |message| Err(self.fault(name, "inherits_from", message));
        if visited.iter().any(|seen| seen == name) {
            return fault(format!(
                "goes in a circle: {} → {name}",
                visited.join(" → ")
            ));
        }
        let Some(own) = self.configurations.get(name) else {
            return match visited.last() {
                None => Err(SchemaError::UnknownConfiguration {
                    plans: self.plans_name.clone(),
                    asked: name.to_owned(),
                    known: self.configuration_names().join(", "),
                }),
                Some(child) => {
                    let known = self.configuration_names().join(", ");
                    let message = format!("is `{name}`, which is not there; there are: {known}");
                    Err(self.fault(child, "inherits_from", message))
                }
            };
        };
        visited.push(name.to_owned());
        let mut own = own.clone();
        // `shift_remove` keeps the order of the other keys.
        let Some(parent) = own.shift_remove("inherits_from") else {
            return Ok(own);
        };
        let Some(parent) = parent.as_str() else {
            return fault(format!("is {parent}, expected the name of a configuration"));
        };
        let mut merged = self.resolve(parent, visited)?;
        merged.extend(own);
        Ok(merged)
    }

    fn fault(&self, configuration: &str, key: &str, message: String) -> SchemaError {
        let json_path = match key {
            "." => format!("configurations.{configuration}"),
            key => format!("configurations.{configuration}.{key}"),
        };
        SchemaError::Configuration {
            plans: self.plans_name.clone(),
            dataset: self.dataset_name.clone(),
            json_path,
            message,
        }
    }
}
