//! XML as a tree, for comparing answers.

use quick_xml::events::Event;
use quick_xml::reader::Reader;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Element {
    pub(crate) name: String,
    /// Sorted.
    pub(crate) attributes: Vec<(String, String)>,
    pub(crate) children: Vec<Element>,
    pub(crate) text: String,
}

pub(crate) fn parse(text: &str) -> Result<Element, String> {
    let mut reader = Reader::from_str(text.trim());
    reader.config_mut().expand_empty_elements = true;
    let mut stack = vec![Element::default()];
    loop {
        match reader.read_event().map_err(|error| error.to_string())? {
            Event::Start(start) => {
                let attribute = |attribute: quick_xml::events::attributes::Attribute<'_>| {
                    (attribute.key.as_ref().to_owned(), attribute.value.into_owned())
                };
                let mut attributes: Vec<_> = start.attributes().filter_map(Result::ok).map(attribute).collect();
                attributes.sort();
                let name = start.name().as_ref().to_owned();
                stack.push(Element { name, attributes, ..Element::default() });
            }
            Event::End(_) => {
                let mut done = stack.pop().ok_or("an end without a start")?;
                if !done.children.is_empty() || done.text.trim().is_empty() {
                    done.text.clear();
                }
                stack.last_mut().ok_or("an end without a start")?.children.push(done);
            }
            Event::Text(text) => {
                let top = stack.last_mut().ok_or("text outside")?;
                top.text.push_str(&text);
            }
            Event::GeneralRef(reference) => {
                let top = stack.last_mut().ok_or("text outside")?;
                top.text.push_str(&format!("&{};", &*reference));
            }
            Event::Eof => break,
            _ => {}
        }
    }
    stack.pop().and_then(|root| root.children.into_iter().next()).ok_or_else(|| "no element".to_owned())
}
