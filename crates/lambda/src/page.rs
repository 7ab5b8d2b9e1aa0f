//! Pages of lists: opaque markers and page sizes.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hearth_types::limits::LIST_PAGE_MAX;

use crate::error::LambdaError;

/// Where a page starts: function name and, in lists of versions, the number (`$LATEST` is 0).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Position {
    pub(crate) name: String,
    pub(crate) number: u64,
}

impl Position {
    /// # Errors
    /// The marker is none that a list gave out.
    pub(crate) fn from_marker(marker: Option<&str>) -> Result<Self, LambdaError> {
        let Some(marker) = marker.filter(|marker| !marker.is_empty()) else { return Ok(Self::default()) };
        Self::decode(marker)
            .ok_or_else(|| LambdaError::invalid("Invalid Marker: use the NextMarker of the former page."))
    }

    fn decode(marker: &str) -> Option<Self> {
        let text = String::from_utf8(URL_SAFE_NO_PAD.decode(marker).ok()?).ok()?;
        let (number, name) = text.split_once(' ')?;
        Some(Self { name: name.to_owned(), number: number.parse().ok()? })
    }

    fn marker(&self) -> String {
        URL_SAFE_NO_PAD.encode(format!("{} {}", self.number, self.name))
    }
}

/// The real service answers at most 50 whatever `MaxItems` asks for.
pub(crate) fn page_size(max_items: Option<i64>) -> usize {
    max_items.and_then(|max| usize::try_from(max).ok()).unwrap_or(LIST_PAGE_MAX).clamp(1, LIST_PAGE_MAX)
}

/// Cuts `items`, which hold one more than a page if there is one, and names where the next page starts.
pub(crate) fn cut<T>(mut items: Vec<T>, size: usize, position: impl Fn(&T) -> Position) -> (Vec<T>, Option<String>) {
    let next_marker = items.get(size).map(|first_of_next| position(first_of_next).marker());
    items.truncate(size);
    (items, next_marker)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_marker_leads_back_to_its_position() {
        let position = Position { name: "f".to_owned(), number: 7 };
        assert_eq!(Position::from_marker(Some(&position.marker())).expect("ours"), position);
        assert_eq!(Position::from_marker(None).expect("the start"), Position::default());
        for foreign in ["x", "!!!", "Zg"] {
            assert!(Position::from_marker(Some(foreign)).is_err(), "{foreign}");
        }
    }

    #[test]
    fn a_page_holds_fifty_at_most() {
        assert_eq!(page_size(None), 50);
        assert_eq!(page_size(Some(3)), 3);
        assert_eq!(page_size(Some(10_000)), 50);
    }
}
