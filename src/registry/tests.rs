//! The registry against a small reference model.
