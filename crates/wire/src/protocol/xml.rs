//! XML answers, driven by the model. Names, lists, maps and namespaces follow the Smithy specification's
//! "XML binding traits".

use std::fmt::Write as _;

use super::{EncodeError, text};
use crate::model::{Kind, Member, Model, Reference, ShapeId, XmlNamespace};
use crate::timestamp::TimestampFormat;
use crate::value::Value;

/// Builds one document.
pub(crate) struct XmlWriter {
    out: String,
}

impl XmlWriter {
    pub(crate) fn new() -> Self {
        Self { out: String::with_capacity(512) }
    }

    pub(crate) fn finish(self) -> String {
        self.out
    }

    pub(crate) fn open(&mut self, name: &str, namespace: Option<(&str, &str)>) {
        self.out.push('<');
        self.out.push_str(name);
        if let Some((prefix, uri)) = namespace {
            self.out.push_str(if prefix.is_empty() { " xmlns" } else { " xmlns:" });
            self.out.push_str(prefix);
            self.out.push_str("=\"");
            self.escape(uri);
            self.out.push('"');
        }
        self.out.push('>');
    }

    pub(crate) fn close(&mut self, name: &str) {
        // Writing to memory cannot fail.
        let _ = write!(self.out, "</{name}>");
    }

    pub(crate) fn text_element(&mut self, name: &str, text: &str) {
        self.open(name, None);
        self.escape(text);
        self.close(name);
    }

    fn escape(&mut self, text: &str) {
        for c in text.chars() {
            match c {
                '<' => self.out.push_str("&lt;"),
                '>' => self.out.push_str("&gt;"),
                '&' => self.out.push_str("&amp;"),
                '"' => self.out.push_str("&quot;"),
                // A parser would turn a bare one into a newline.
                '\r' => self.out.push_str("&#xD;"),
                // XML 1.0 has no way to write these. Source: XML 1.0, production 2.
                '\0'..='\x08' | '\x0b' | '\x0c' | '\x0e'..='\x1f' | '\u{fffe}' | '\u{ffff}' => {
                    self.out.push('\u{fffd}')
                }
                c => self.out.push(c),
            }
        }
    }

    /// The members of a structure as elements, in the model's order.
    pub(crate) fn members(
        &mut self,
        model: &Model,
        members: &[Member],
        values: &[(String, Value)],
    ) -> Result<(), EncodeError> {
        if let Some((name, _)) = values.iter().find(|(name, _)| !members.iter().any(|member| member.name == *name)) {
            return Err(EncodeError(format!("no member {name} in the model")));
        }
        for member in members {
            let value = values.iter().find(|(name, _)| *name == member.name).map(|(_, value)| value);
            if let Some(value) = value.filter(|value| !value.is_null()) {
                self.member(model, member, value)?;
            }
        }
        Ok(())
    }

    fn member(&mut self, model: &Model, member: &Member, value: &Value) -> Result<(), EncodeError> {
        let name = &member.wire_name;
        let namespace = member.xml_namespace.as_ref();
        match (&model.shape(member.shape).kind, value) {
            (Kind::List { member: item, flattened }, Value::List(items)) if *flattened || member.flattened => {
                for value in items {
                    self.element(
                        model,
                        flat_name(model, member),
                        item.xml_namespace.as_ref().or(namespace),
                        item.shape,
                        value,
                    )?;
                }
                Ok(())
            }
            (Kind::Map { key, value: item, flattened }, Value::Map(entries)) if *flattened || member.flattened => {
                for entry in entries {
                    self.entry(model, name, namespace, key, item, entry)?;
                }
                Ok(())
            }
            _ => self.element(model, name, namespace, member.shape, value),
        }
    }

    fn element(
        &mut self,
        model: &Model,
        name: &str,
        namespace: Option<&XmlNamespace>,
        shape: ShapeId,
        value: &Value,
    ) -> Result<(), EncodeError> {
        self.open(name, namespace.map(pair));
        self.content(model, shape, value)?;
        self.close(name);
        Ok(())
    }

    fn content(&mut self, model: &Model, id: ShapeId, value: &Value) -> Result<(), EncodeError> {
        match (&model.shape(id).kind, value) {
            (Kind::Structure(structure), Value::Map(members)) => self.members(model, &structure.members, members),
            (Kind::List { member, .. }, Value::List(items)) => {
                let name = member.location_name.as_deref().unwrap_or("member");
                items
                    .iter()
                    .try_for_each(|item| self.element(model, name, member.xml_namespace.as_ref(), member.shape, item))
            }
            (Kind::Map { key, value, .. }, Value::Map(entries)) => {
                entries.iter().try_for_each(|entry| self.entry(model, "entry", None, key, value, entry))
            }
            _ => {
                let text = text::format_scalar(model, id, value, TimestampFormat::DateTime)?;
                self.escape(&text);
                Ok(())
            }
        }
    }

    fn entry(
        &mut self,
        model: &Model,
        name: &str,
        namespace: Option<&XmlNamespace>,
        key: &Reference,
        value: &Reference,
        (key_text, item): &(String, Value),
    ) -> Result<(), EncodeError> {
        self.open(name, namespace.map(pair));
        let key_name = key.location_name.as_deref().unwrap_or("key");
        self.open(key_name, key.xml_namespace.as_ref().map(pair));
        self.escape(key_text);
        self.close(key_name);
        let value_name = value.location_name.as_deref().unwrap_or("value");
        self.element(model, value_name, value.xml_namespace.as_ref(), value.shape, item)?;
        self.close(name);
        Ok(())
    }
}

/// What the elements of a flattened list are called: where the list itself is flat, as it calls its elements; where the
/// member makes it flat, as the member.
pub(crate) fn flat_name<'m>(model: &'m Model, member: &'m Member) -> &'m str {
    match &model.shape(member.shape).kind {
        Kind::List { member: item, flattened: true } if !member.flattened => {
            item.location_name.as_ref().unwrap_or(&member.wire_name)
        }
        _ => &member.wire_name,
    }
}

fn pair(namespace: &XmlNamespace) -> (&str, &str) {
    (namespace.prefix.as_deref().unwrap_or_default(), &namespace.uri)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_text_gives_well_formed_xml() {
        let mut xml = XmlWriter::new();
        xml.text_element("a", "<&>\"\r\0\u{1f}é\t");
        assert_eq!(xml.finish(), "<a>&lt;&amp;&gt;&quot;&#xD;\u{fffd}\u{fffd}é\t</a>");
    }
}
