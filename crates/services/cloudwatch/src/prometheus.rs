//! The platform's own metrics of one account and region as Prometheus reads them: what has been counted since the server
//! started. Source: Prometheus documentation, "Exposition formats".

use std::fmt::Write as _;

use hearth_types::Scope;

use crate::CloudWatch;

impl CloudWatch {
    /// Two counters of each metric, `…_sum` and `…_count`: CloudWatch's Sum and SampleCount.
    #[must_use]
    pub fn prometheus(&self, scope: &Scope) -> String {
        let mut page = String::new();
        for ((namespace, metric), sources) in self.meters.totals(scope) {
            let name = snake_case(&format!("{}_{metric}", namespace.replace('/', "_")));
            for (suffix, what) in [("sum", "Sum"), ("count", "SampleCount")] {
                // Writing to memory cannot fail.
                let _ = writeln!(page, "# HELP {name}_{suffix} {what} of {metric} in {namespace} since the start.");
                let _ = writeln!(page, "# TYPE {name}_{suffix} counter");
                for (dimensions, total) in &sources {
                    let value = if suffix == "sum" { total.sum } else { total.count };
                    let labels: Vec<String> = dimensions
                        .iter()
                        .map(|(name, value)| format!("{}=\"{}\"", snake_case(name), escaped(value)))
                        .collect();
                    let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
                    let _ = writeln!(page, "{name}_{suffix}{labels} {value}");
                }
            }
        }
        page
    }
}

/// `FunctionName` to `function_name`, `AWS_Lambda_Url4xxCount` to `aws_lambda_url4xx_count`.
fn snake_case(name: &str) -> String {
    let mut snake = String::new();
    let mut before = '_';
    let mut letters = name.chars().peekable();
    while let Some(letter) = letters.next() {
        let ends_word = before.is_lowercase() || letters.peek().is_some_and(|next| next.is_lowercase());
        if letter.is_uppercase() && before != '_' && ends_word {
            snake.push('_');
        }
        snake.extend(letter.to_lowercase());
        before = letter;
    }
    snake
}

fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_as_prometheus_has_them() {
        for (name, expected) in [
            ("FunctionName", "function_name"),
            ("AWS_Lambda_Invocations", "aws_lambda_invocations"),
            ("AWS_Lambda_Url4xxCount", "aws_lambda_url4xx_count"),
            ("EventSourceMappingUUID", "event_source_mapping_uuid"),
        ] {
            assert_eq!(snake_case(name), expected);
        }
        assert_eq!(escaped("a\"b\\c\n"), "a\\\"b\\\\c\\n");
    }
}
