use nnunet_schema::SchemaError;

/// What can go wrong when something is drawn.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DrawError {
    /// A picture cannot be drawn from these arguments.
    #[error("cannot draw it: {problem}")]
    Arguments {
        /// What was found and what was expected.
        problem: String,
    },
    /// The labels of a description contradict each other, or a file cannot be written.
    #[error(transparent)]
    Schema(#[from] SchemaError),
}
