//! Patterns with `*` and `?`. Matching takes at most pattern times text steps, whatever the pattern is.

/// One piece of a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Token {
    Literal(char),
    /// `?`
    One,
    /// `*`
    Many {
        /// Within a segment of an ARN it stops at colons.
        crosses_colons: bool,
    },
}

/// What a character of a pattern means; `next` is the character behind it.
pub(crate) fn token(c: char, next: Option<char>, is_arn: bool) -> Token {
    match c {
        // A `*` stands for part of its segment, and for everything that follows where it is the segment's last
        // character. Source: IAM user guide, "IAM JSON policy elements: Resource".
        '*' => Token::Many { crosses_colons: !is_arn || matches!(next, None | Some(':')) },
        '?' => Token::One,
        other => Token::Literal(other),
    }
}

/// Most patterns are short: the places a match may have reached are the bits of one number then.
const SHORT_MAX: usize = 127;

pub(crate) fn matches(tokens: &[Token], text: &str) -> bool {
    if tokens.len() <= SHORT_MAX { matches_short(tokens, text) } else { matches_long(tokens, text) }
}

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
            match tokens.get(place) {
                Some(Token::Literal(wanted)) if *wanted == c => next |= 1 << (place + 1),
                Some(Token::One) => next |= 1 << (place + 1),
                Some(Token::Many { crosses_colons }) if *crosses_colons || c != ':' => next |= 1 << place,
                _ => {}
            }
        }
        if next == 0 {
            return false;
        }
        places = close(next);
    }
    places & (1 << tokens.len()) != 0
}

fn matches_long(tokens: &[Token], text: &str) -> bool {
    let close = |places: &mut Vec<bool>| {
        for (place, token) in tokens.iter().enumerate() {
            if places[place] && matches!(token, Token::Many { .. }) {
                places[place + 1] = true;
            }
        }
    };
    let mut places = vec![false; tokens.len() + 1];
    places[0] = true;
    close(&mut places);
    for c in text.chars() {
        let mut next = vec![false; tokens.len() + 1];
        for (place, token) in tokens.iter().enumerate().filter(|(place, _)| places[*place]) {
            match token {
                Token::Literal(wanted) if *wanted == c => next[place + 1] = true,
                Token::One => next[place + 1] = true,
                Token::Many { crosses_colons } if *crosses_colons || c != ':' => next[place] = true,
                _ => {}
            }
        }
        close(&mut next);
        places = next;
    }
    places[tokens.len()]
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
            ("a?c", "ac", false),
            ("*a*b*", "xxaxxbxx", true),
            ("s3:Get*", "s3:GetObject", true),
            ("ä*", "äö", true),
        ] {
            assert_eq!(matches(&tokens(pattern, false), text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn a_star_inside_a_segment_of_an_arn_stays_in_it() {
        for (pattern, text, expected) in [
            ("arn:aws:sqs:us-*-1:1:q", "arn:aws:sqs:us-east-1:1:q", true),
            ("arn:aws:sqs:us-*-1:1:q", "arn:aws:sqs:us-x:y-1:1:q", false),
            ("arn:aws:lambda:*:*:function:f*", "arn:aws:lambda:r:1:function:f:1", true),
            ("arn:*:f", "arn:a:b:c:f", true),
            // Only an earlier star can take what the later one must not.
            ("a*:b*c", "a:bx:byc", true),
        ] {
            assert_eq!(matches(&tokens(pattern, true), text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn a_hostile_pattern_takes_no_longer() {
        let text = "a".repeat(2_000);
        assert!(!matches(&tokens(&format!("{}b", "*a".repeat(60)), false), &text));
        assert!(!matches(&tokens(&format!("{}b", "*a".repeat(600)), false), &text));
        assert!(matches(&tokens(&"*a".repeat(600), false), &text));
    }

    proptest::proptest! {
        #[test]
        fn short_and_long_patterns_match_alike(pattern in "[ab*?:]{0,12}", text in "[ab:]{0,16}", is_arn: bool) {
            let tokens = tokens(&pattern, is_arn);
            assert_eq!(matches_short(&tokens, &text), matches_long(&tokens, &text));
        }

        #[test]
        fn plain_patterns_match_as_the_obvious_recursion_does(pattern in "[ab*?]{0,10}", text in "[ab]{0,12}") {
            fn obvious(pattern: &[u8], text: &[u8]) -> bool {
                match (pattern.first(), text.first()) {
                    (None, None) => true,
                    (Some(b'*'), _) => {
                        obvious(&pattern[1..], text) || !text.is_empty() && obvious(pattern, &text[1..])
                    }
                    (Some(b'?'), Some(_)) => obvious(&pattern[1..], &text[1..]),
                    (Some(wanted), Some(got)) if wanted == got => obvious(&pattern[1..], &text[1..]),
                    _ => false,
                }
            }
            assert_eq!(matches(&tokens(&pattern, false), &text), obvious(pattern.as_bytes(), text.as_bytes()));
        }
    }
}
