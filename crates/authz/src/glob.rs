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

/// Some stars stop at colons, and some do not: no single one can be fallen back to then.
pub(crate) fn is_mixed(tokens: &[Token]) -> bool {
    let has = |crossing| {
        tokens.iter().any(|token| matches!(token, Token::Many { crosses_colons } if *crosses_colons == crossing))
    };
    has(true) && has(false)
}

pub(crate) fn matches(tokens: &[Token], text: &str) -> bool {
    if !is_mixed(tokens) {
        matches_uniform(tokens, text)
    } else if tokens.len() <= SHORT_MAX {
        matches_short(tokens, text)
    } else {
        matches_long(tokens, text)
    }
}

/// Where stars are all alike, only the last one need ever take more: what an earlier one could still reach, the later one
/// reaches, too. (Stars that stop at colons: everything between two of them has a fixed number of colons.)
pub(crate) fn matches_uniform(tokens: &[Token], text: &str) -> bool {
    let mut chars = text.chars();
    let mut at = 0;
    // Behind the last star: the place in the pattern, and in the text; and whether the star crosses colons.
    let mut star: Option<(usize, Chars<'_>, bool)> = None;
    loop {
        let mut behind = chars.clone();
        match (tokens.get(at), behind.next()) {
            (Some(Token::Many { crosses_colons }), _) => {
                at += 1;
                if *crosses_colons && at == tokens.len() {
                    return true;
                }
                star = Some((at, chars.clone(), *crosses_colons));
                continue;
            }
            (Some(Token::Literal(wanted)), Some(c)) if *wanted == c => {
                (at, chars) = (at + 1, behind);
                continue;
            }
            (Some(Token::One { crosses_colons }), Some(c)) if *crosses_colons || c != ':' => {
                (at, chars) = (at + 1, behind);
                continue;
            }
            (None, None) => return true,
            _ => {}
        }
        let Some((place, taken, crosses_colons)) = &mut star else { return false };
        let takes = |c: char| *crosses_colons || c != ':';
        if !taken.next().is_some_and(takes) {
            return false;
        }
        // On to where the rest of the pattern can start at all.
        if let Some(Token::Literal(wanted)) = tokens.get(*place) {
            loop {
                let mut behind = taken.clone();
                match behind.next() {
                    Some(c) if c == *wanted => break,
                    Some(c) if takes(c) => *taken = behind,
                    _ => return false,
                }
            }
        }
        (at, chars) = (*place, taken.clone());
    }
}

/// Most patterns are short: the places a match may have reached are the bits of one number then.
const SHORT_MAX: usize = 127;

/// Bit `i` is set when the first `i` tokens have matched what was read so far.
fn matches_short(tokens: &[Token], text: &str) -> bool {
    let close = |mut places: u128| {
        // A `*` also matches nothing.
        let mut rest = places;
        while rest != 0 {
            let place = rest.trailing_zeros() as usize;
            rest &= rest - 1;
            if let Some(Token::Many { .. }) = tokens.get(place) {
                places |= 1 << (place + 1);
                rest |= 1 << (place + 1);
            }
        }
        places
    };
    let mut places = close(1);
    for c in text.chars() {
        let (mut rest, mut next) = (places, 0);
        while rest != 0 {
            let place = rest.trailing_zeros() as usize;
            rest &= rest - 1;
            next |= tokens.get(place).and_then(|token| step(*token, c)).map_or(0, |step| 1 << (place + step));
        }
        if next == 0 {
            return false;
        }
        places = close(next);
    }
    places & (1 << tokens.len()) != 0
}

fn matches_long(tokens: &[Token], text: &str) -> bool {
    let close = |places: &mut [bool]| {
        for (place, token) in tokens.iter().enumerate() {
            if places[place] && matches!(token, Token::Many { .. }) {
                places[place + 1] = true;
            }
        }
    };
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
            assert_eq!(matches(&tokens, &text), expected, "{pattern} {text}");
            assert_eq!(matches_short(&tokens, &text), expected, "{pattern} {text}");
            assert_eq!(matches_long(&tokens, &text), expected, "{pattern} {text}");
        }
    }
}
