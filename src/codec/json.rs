//! JSON, as Netflix's `EurekaJacksonCodec` writes and reads it.

pub mod decode;
pub mod encode;
