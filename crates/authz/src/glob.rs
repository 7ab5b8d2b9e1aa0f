//! Patterns with `*` and `?`. Matching takes at most pattern times text steps, whatever the pattern is.

use std::str::Chars;

/// One piece of a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Token {
    Literal(char),
    /// `?`
    One {
        crosses_colons: bool,
    },
    /// `*`
    Many {
        crosses_colons: bool,
    },
}

/// What a character of a pattern means; `next` is the character behind it.
///
/// Wildcards stay within their segment of an ARN; a `*` that is the segment's last character stands for everything that
/// follows. Source: IAM user guide, "IAM JSON policy elements: Resource".
pub(crate) fn token(c: char, next: Option<char>, is_arn: bool) -> Token {
    match c {
        '*' => Token::Many { crosses_colons: !is_arn || matches!(next, None | Some(':')) },
        '?' => Token::One { crosses_colons: !is_arn },
        other => Token::Literal(other),
    }
}

/// Backtracking finds nearly every answer with fewer steps than these, for each character of the text.
const STEPS_PER_BYTE_MAX: usize = 16;

pub(crate) fn matches(tokens: &[Token], text: &str) -> bool {
    backtrack(tokens, text).unwrap_or_else(|| all_at_once(tokens, text))
}

/// `None`: it took too long.
///
/// Only the last star of each kind need ever take more. Where stars cross colons, what an earlier one could still reach,
/// the later one reaches, too. Between stars that do not, a pattern has a fixed number of colons: what starts earlier ends
/// earlier, and leaves more to the next star that crosses them.
fn backtrack(tokens: &[Token], text: &str) -> Option<bool> {
    let mut steps_left = STEPS_PER_BYTE_MAX * (text.len() + 1);
    let mut chars = text.chars();
    let mut at = 0;
    // `within` is the last star behind `across`, if there is one.
    let mut across: Option<Star<'_>> = None;
    let mut within: Option<Star<'_>> = None;
    loop {
        steps_left = steps_left.checked_sub(1)?;
        let mut behind = chars.clone();
        match (tokens.get(at), behind.next()) {
            (Some(Token::Many { crosses_colons }), _) => {
                at += 1;
                let star = Some(Star { behind: at, left: chars.clone(), crosses_colons: *crosses_colons });
                if !crosses_colons {
                    within = star;
                } else if at == tokens.len() {
                    return Some(true);
                } else {
                    (across, within) = (star, None);
                }
                continue;
            }
            (Some(token), Some(c)) if step(*token, c).is_some() => {
                (at, chars) = (at + 1, behind);
                continue;
            }
            (None, None) => return Some(true),
            _ => {}
        }
        if !within.as_mut().is_some_and(|star| star.take_more(tokens, &mut steps_left)) {
            within = None;
            if !across.as_mut().is_some_and(|star| star.take_more(tokens, &mut steps_left)) {
                return Some(false);
            }
        }
        if let Some(star) = within.as_ref().or(across.as_ref()) {
            (at, chars) = (star.behind, star.left.clone());
        }
    }
}

/// A `*` that has been met.
struct Star<'a> {
    /// The place behind it in the pattern.
    behind: usize,
    /// What it leaves of the text.
    left: Chars<'a>,
    crosses_colons: bool,
}

impl Star<'_> {
    /// One character more, and then as many as it takes to where the rest of the pattern can start. Says whether it can.
    fn take_more(&mut self, tokens: &[Token], steps_left: &mut usize) -> bool {
        let takes = |c: char| self.crosses_colons || c != ':';
        if !self.left.next().is_some_and(takes) {
            return false;
        }
        let Some(Token::Literal(wanted)) = tokens.get(self.behind) else { return true };
        loop {
            *steps_left = steps_left.saturating_sub(1);
            let mut further = self.left.clone();
            match further.next() {
                Some(c) if c == *wanted => return true,
                Some(c) if takes(c) => self.left = further,
                _ => return false,
            }
        }
    }
}

/// Follows every way to match at the same time: pattern times text steps, never more.
fn all_at_once(tokens: &[Token], text: &str) -> bool {
    let close = |places: &mut [bool]| {
        for (place, token) in tokens.iter().enumerate() {
            if places[place] && matches!(token, Token::Many { .. }) {
                places[place + 1] = true;
            }
        }
    };
    // A place is set when so many tokens have matched what was read so far.
    let mut places = vec![false; tokens.len() + 1];
    let mut next = places.clone();
    places[0] = true;
    close(&mut places);
    for c in text.chars() {
        next.fill(false);
        for (place, token) in tokens.iter().enumerate().filter(|(place, _)| places[*place]) {
            if let Some(step) = step(*token, c) {
                next[place + step] = true;
            }
        }
        close(&mut next);
        std::mem::swap(&mut places, &mut next);
    }
    places[tokens.len()]
}

/// How many tokens further the pattern is once the token has taken the character. `None`: it does not take it.
fn step(token: Token, c: char) -> Option<usize> {
    match token {
        Token::Literal(wanted) => (wanted == c).then_some(1),
        Token::One { crosses_colons } => (crosses_colons || c != ':').then_some(1),
        Token::Many { crosses_colons } => (crosses_colons || c != ':').then_some(0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(pattern: &str, is_arn: bool) -> Vec<Token> {
        let chars: Vec<char> = pattern.chars().collect();
        (0..chars.len()).map(|at| token(chars[at], chars.get(at + 1).copied(), is_arn)).collect()
    }

    #[test]
    fn stars_and_question_marks_match_as_the_guide_says() {
        for (pattern, text, expected) in [
            ("", "", true),
            ("*", "", true),
            ("*", "a:b", true),
            ("a*c", "abbc", true),
            ("a*c", "abcd", false),
            ("a?c", "abc", true),
            ("a?c", "a:c", true),
            ("a?c", "ac", false),
            ("*a*b*", "xxaxxbxx", true),
            ("s3:Get*", "s3:GetObject", true),
            ("ä*", "äö", true),
            ("?", "ö", true),
        ] {
            assert_eq!(matches(&tokens(pattern, false), text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn a_wildcard_inside_a_segment_of_an_arn_stays_in_it() {
        for (pattern, text, expected) in [
            ("arn:aws:sqs:us-*-1:1:q", "arn:aws:sqs:us-east-1:1:q", true),
            ("arn:aws:sqs:us-*-1:1:q", "arn:aws:sqs:us-x:y-1:1:q", false),
            ("arn:aws:lambda:*:*:function:f*", "arn:aws:lambda:r:1:function:f:1", true),
            ("arn:*:f", "arn:a:b:c:f", true),
            ("arn:aws:s3:::b/*/x", "arn:aws:s3:::b/a/b/x", true),
            ("arn:aws:s3:::b/*/x", "arn:aws:s3:::b/a:b/x", false),
            ("a?c", "abc", true),
            ("a?c", "a:c", false),
            // Only an earlier star can take what the later one must not.
            ("a*:b*c", "a:bx:byc", true),
        ] {
            assert_eq!(matches(&tokens(pattern, true), text), expected, "{pattern} {text}");
        }
    }

    /// Every star may be tried at every place, and backtracking alone would take ages.
    #[test]
    fn a_hostile_pattern_takes_no_longer() {
        let text = "a".repeat(2_000);
        for stars in [60, 600] {
            assert!(!matches(&tokens(&format!("{}b", "*a".repeat(stars)), false), &text));
            assert!(!matches(&tokens(&format!("{}b", "*a".repeat(stars)), true), &text));
            assert!(!matches(&tokens(&format!("*:{}b", "*a".repeat(stars)), true), &format!(":{text}")));
            assert!(matches(&tokens(&"*a".repeat(stars), false), &text));
        }
    }

    /// What the guide says, with no thought of time.
    fn obvious(pattern: &[Token], text: &[char]) -> bool {
        let Some((first, rest)) = pattern.split_first() else { return text.is_empty() };
        let takes = |c: &char| step(*first, *c).is_some();
        match first {
            Token::Many { .. } => {
                obvious(rest, text) || text.first().is_some_and(takes) && obvious(pattern, &text[1..])
            }
            _ => text.first().is_some_and(takes) && obvious(rest, &text[1..]),
        }
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig::with_cases(2_000))]

        #[test]
        fn all_ways_to_match_agree_with_the_obvious_recursion(
            pattern in "[ab*?:]{0,12}", text in "[ab:ö]{0,14}", is_arn: bool,
        ) {
            let tokens = tokens(&pattern, is_arn);
            let expected = obvious(&tokens, &text.chars().collect::<Vec<_>>());
            assert_eq!(backtrack(&tokens, &text).unwrap_or(expected), expected, "{pattern} {text}");
            assert_eq!(all_at_once(&tokens, &text), expected, "{pattern} {text}");
        }
    }
}
