//! Event files for TensorBoard: records of protocol buffers, each with checksums.
//!
//! Only the few messages that scalars take are written. A record is the length of its message (8
//! bytes, the lowest first), the masked CRC-32C of the length, the message, and the masked CRC-32C
//! of the message.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use nnunet_model::checkpoint::EpochRecord;
use nnunet_schema::SchemaError;

use crate::EpochTiming;

/// The version of the format, in the first event.
const VERSION: &str = "brain.Event:2";
/// The constant of the checksums' mask.
const MASK_DELTA: u32 = 0xa282_ead8;

/// The numbers of the fields of the messages `Event`, `Summary`, `Summary.Value`, `SessionLog`.
mod field {
    pub(super) const WALL_TIME: u8 = 1;
    pub(super) const STEP: u8 = 2;
    pub(super) const FILE_VERSION: u8 = 3;
    pub(super) const SUMMARY: u8 = 5;
    pub(super) const SESSION_LOG: u8 = 7;
    pub(super) const SUMMARY_VALUE: u8 = 1;
    pub(super) const VALUE_TAG: u8 = 1;
    pub(super) const SIMPLE_VALUE: u8 = 2;
    pub(super) const SESSION_STATUS: u8 = 1;
}

/// `SessionLog.status`: events of this step and later ones, of an earlier file, are void.
const SESSION_START: u64 = 1;

/// An event file that grows by an event per epoch.
#[derive(Debug)]
pub(super) struct EventFile {
    path: PathBuf,
    file: File,
}

impl EventFile {
    /// A new file in this folder, for the epochs from `first` on.
    pub(super) fn create(folder: &Path, first: usize) -> Result<Self, SchemaError> {
        let failed = |path: &Path, source| SchemaError::Io {
            action: "write",
            path: path.to_path_buf(),
            source,
        };
        std::fs::create_dir_all(folder).map_err(|source| failed(folder, source))?;
        let now = now();
        // Files are read in the order of their names.
        let name = format!(
            "events.out.tfevents.{:010}.{:06}.nnunet",
            now as u64,
            (now.fract() * 1e6) as u32
        );
        let path = folder.join(name);
        let file = (OpenOptions::new().create(true).append(true).open(&path))
            .map_err(|source| failed(&path, source))?;
        let mut events = Self { path, file };
        let mut version = Message::default();
        version.double(field::WALL_TIME, now);
        version.bytes(field::FILE_VERSION, VERSION.as_bytes());
        events.write(&version)?;
        let mut status = Message::default();
        status.number(field::SESSION_STATUS, SESSION_START);
        let mut start = Message::default();
        start.double(field::WALL_TIME, now);
        start.number(field::STEP, first as u64);
        start.bytes(field::SESSION_LOG, &status.0);
        events.write(&start)?;
        Ok(events)
    }

    /// Adds an epoch.
    pub(super) fn add(
        &mut self,
        record: &EpochRecord,
        timing: &EpochTiming,
    ) -> Result<(), SchemaError> {
        let mut scalars = vec![
            ("loss/training".to_owned(), Some(record.train_loss)),
            ("loss/validation".to_owned(), Some(record.validation_loss)),
            ("dice/mean".to_owned(), record.mean_dice),
            ("dice/moving_average".to_owned(), record.ema_dice),
            ("learning_rate".to_owned(), Some(record.learning_rate)),
            (
                "time/epoch".to_owned(),
                Some(record.finished - record.started),
            ),
            ("time/wait_share".to_owned(), Some(timing.wait_share())),
        ];
        let classes = record.dice_per_class.iter().enumerate();
        scalars.extend(classes.map(|(i, dice)| (format!("dice/class_{}", i + 1), *dice)));
        let mut summary = Message::default();
        for (tag, value) in scalars {
            let Some(value) = value else { continue };
            let mut scalar = Message::default();
            scalar.bytes(field::VALUE_TAG, tag.as_bytes());
            scalar.float(field::SIMPLE_VALUE, value as f32);
            summary.bytes(field::SUMMARY_VALUE, &scalar.0);
        }
        let mut event = Message::default();
        event.double(field::WALL_TIME, record.finished);
        event.number(field::STEP, record.epoch as u64);
        event.bytes(field::SUMMARY, &summary.0);
        self.write(&event)
    }

    fn write(&mut self, message: &Message) -> Result<(), SchemaError> {
        let length = (message.0.len() as u64).to_le_bytes();
        let mut record = length.to_vec();
        record.extend(masked_checksum(&length).to_le_bytes());
        record.extend(&message.0);
        record.extend(masked_checksum(&message.0).to_le_bytes());
        // In one piece, so that a reader never sees half a record.
        self.file
            .write_all(&record)
            .map_err(|source| SchemaError::Io {
                action: "write",
                path: self.path.clone(),
                source,
            })
    }
}

fn masked_checksum(bytes: &[u8]) -> u32 {
    crc32c::crc32c(bytes)
        .rotate_right(15)
        .wrapping_add(MASK_DELTA)
}

fn now() -> f64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.map_or(0.0, |duration| duration.as_secs_f64())
}

/// A message of protocol buffers in the making.
#[derive(Default)]
struct Message(Vec<u8>);

impl Message {
    fn key(&mut self, field: u8, wire: u8) {
        self.0.push(field << 3 | wire);
    }

    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    fn number(&mut self, field: u8, value: u64) {
        self.key(field, 0);
        self.varint(value);
    }

    fn double(&mut self, field: u8, value: f64) {
        self.key(field, 1);
        self.0.extend(value.to_le_bytes());
    }

    fn bytes(&mut self, field: u8, value: &[u8]) {
        self.key(field, 2);
        self.varint(value.len() as u64);
        self.0.extend(value);
    }

    fn float(&mut self, field: u8, value: f32) {
        self.key(field, 5);
        self.0.extend(value.to_le_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_encoded_as_protocol_buffers_are() {
        let mut message = Message::default();
        message.number(2, 300);
        message.bytes(3, b"hi");
        message.float(2, 1.0);
        let wanted = [
            0x10, 0xac, 0x02, 0x1a, 2, b'h', b'i', 0x15, 0, 0, 0x80, 0x3f,
        ];
        assert_eq!(message.0, wanted);
    }

    #[test]
    fn checksums_are_masked_as_the_format_says() {
        // The CRC-32C of "123456789" is that of the standard.
        assert_eq!(crc32c::crc32c(b"123456789"), 0xe306_9283);
        // Its upper 17 bits below, its lower 15 above, and the constant added.
        let rotated: u32 = 0x0001_c60d + 0x2506_0000;
        assert_eq!(
            masked_checksum(b"123456789"),
            rotated.wrapping_add(0xa282_ead8)
        );
    }
}
