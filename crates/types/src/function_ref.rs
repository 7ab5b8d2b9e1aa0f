//! How a caller may name a function. Source: Lambda API reference, `FunctionName` parameter.

/// A function's name as given, taken apart. Parts that were not given are `None`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FunctionRef {
    pub partition: Option<String>,
    pub region: Option<String>,
    pub account: Option<String>,
    pub name: String,
    pub qualifier: Option<String>,
}

/// The text is none of the accepted forms.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a function name, a partial or a full function ARN")]
pub struct FunctionRefError;

impl FunctionRef {
    /// Accepts `name`, `name:qualifier`, `function:name[:q]`, `account:function:name[:q]` and the full ARN.
    pub fn parse(text: &str) -> Result<Self, FunctionRefError> {
        let parts: Vec<&str> = text.split(':').collect();
        let (head, tail): (&[&str], &[&str]) = match parts.iter().position(|part| *part == "function") {
            // A function may itself be called "function": only a name behind it makes it the keyword.
            Some(at) if at + 1 < parts.len() && (at > 0 || parts.len() > 2) => (&parts[..at], &parts[at + 1..]),
            Some(0) if parts.len() == 2 => (&[], &parts[1..]),
            _ => (&[], &parts[..]),
        };
        let (name, qualifier) = match tail {
            [name] => (*name, None),
            [name, qualifier] => (*name, Some((*qualifier).to_owned())),
            _ => return Err(FunctionRefError),
        };
        let (partition, region, account) = match head {
            [] => (None, None, None),
            [account] => (None, None, Some(*account)),
            [region, account] => (None, Some(*region), Some(*account)),
            ["arn", partition, "lambda", region, account] => (Some(*partition), Some(*region), Some(*account)),
            _ => return Err(FunctionRefError),
        };
        let name_ok =
            !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
        let account_ok = account.is_none_or(|a| a.len() == 12 && a.bytes().all(|b| b.is_ascii_digit()));
        if !name_ok || !account_ok || qualifier.as_deref().is_some_and(str::is_empty) {
            return Err(FunctionRefError);
        }
        Ok(Self {
            partition: partition.map(str::to_owned),
            region: region.map(str::to_owned),
            account: account.map(str::to_owned),
            name: name.to_owned(),
            qualifier,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_documented_form_is_taken_apart() {
        let cases = [
            ("f", (None, None, None, "f", None)),
            ("f:1", (None, None, None, "f", Some("1"))),
            ("f:$LATEST", (None, None, None, "f", Some("$LATEST"))),
            ("function:f", (None, None, None, "f", None)),
            ("123456789012:function:f", (None, None, Some("123456789012"), "f", None)),
            ("123456789012:function:f:live", (None, None, Some("123456789012"), "f", Some("live"))),
            (
                "arn:aws:lambda:us-east-1:123456789012:function:f:7",
                (Some("aws"), Some("us-east-1"), Some("123456789012"), "f", Some("7")),
            ),
        ];
        for (text, (partition, region, account, name, qualifier)) in cases {
            let got = FunctionRef::parse(text).expect(text);
            assert_eq!(got.partition.as_deref(), partition, "{text}");
            assert_eq!(got.region.as_deref(), region, "{text}");
            assert_eq!(got.account.as_deref(), account, "{text}");
            assert_eq!(got.name, name, "{text}");
            assert_eq!(got.qualifier.as_deref(), qualifier, "{text}");
        }
    }

    #[test]
    fn other_forms_are_refused() {
        for text in [
            "",
            "f:",
            "a:b:c:d",
            "arn:aws:s3:::bucket",
            "12:function:f",
            "f g",
            "arn:aws:lambda:r:123456789012:layer:l",
        ] {
            assert_eq!(FunctionRef::parse(text), Err(FunctionRefError), "{text}");
        }
    }
}
