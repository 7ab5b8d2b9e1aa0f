//! Tags of what a request is about.

use std::collections::BTreeMap;

use crate::EventBridge;
use crate::api::Found;
use crate::error::EventsError;

impl EventBridge {
    /// # Errors
    /// [`EventsError::NotFound`].
    pub(crate) fn tags(&self, found: &Found) -> Result<BTreeMap<String, String>, EventsError> {
        if found.rule.is_empty() {
            return Ok(found.bus()?.describe().record.tags.clone());
        }
        Ok(found.rule()?.1.record.tags.clone())
    }

    /// # Errors
    /// [`EventsError::NotFound`], what `edit` refuses, or the store's.
    pub(crate) async fn edit_tags(
        &self,
        found: &Found,
        edit: impl FnOnce(&mut BTreeMap<String, String>) -> Result<(), EventsError>,
    ) -> Result<(), EventsError> {
        if found.rule.is_empty() {
            return self.edit_bus(&*found.bus()?, |record| edit(&mut record.tags)).await;
        }
        self.change_rule(found, |record| edit(&mut record.tags)).await
    }
}
