//! `${NAME:default}`.

use std::collections::BTreeMap;

use super::error::ConfigError;
use super::layer::Layer;
use super::name::canonical;

/// A value that stands for itself would go on for ever.
const MOST_PER_VALUE: usize = 32;

/// Puts values in the place of `${NAME:default}`: of the environment, of another key, or the default, which may hold
/// placeholders itself.
pub(super) fn resolve(layers: &mut [Layer], environment: &BTreeMap<String, String>) -> Result<(), ConfigError> {
    let known: BTreeMap<String, String> =
        layers.iter().flat_map(Layer::iter).map(|(slot, value)| (slot.to_owned(), value.to_owned())).collect();
    for layer in layers {
        let origin = layer.origin.clone();
        for value in layer.values_mut() {
            for _ in 0..MOST_PER_VALUE {
                // The last that begins holds no other.
                let Some(start) = value.rfind("${") else { break };
                let Some(len) = value[start..].find('}') else { break };
                let inside = &value[start + 2..start + len];
                let (name, default) = inside.split_once(':').map_or((inside, None), |(name, text)| (name, Some(text)));
                let found =
                    environment.get(name).or_else(|| known.get(&canonical(name))).map(String::as_str).or(default);
                let Some(found) = found else {
                    return Err(ConfigError::Placeholder { name: name.to_owned(), origin });
                };
                let found = found.to_owned();
                value.replace_range(start..=start + len, &found);
            }
        }
    }
    Ok(())
}
