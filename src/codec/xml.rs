//! XML, as Netflix's XStream converters write and read it.

pub mod decode;
pub mod encode;
mod name;
