//! The shapes of IAM's ids and secrets. Source: IAM user guide, "Unique identifiers"; lengths as the real service's.

use hearth_types::Random;

/// RFC 4648 base 32, of which unique ids are made. 32 symbols: five bits of a random byte each, so no bias.
const ID_ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
/// RFC 4648 base 64, of which secrets and tokens are made. 64 symbols: six bits of a random byte each.
const SECRET_ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

const SECRET_LENGTH: usize = 40;
/// Long enough that guessing is hopeless (1,536 bits), short enough for a header sent with each request.
const SESSION_TOKEN_LENGTH: usize = 256;

/// Characters of a unique id behind its prefix.
const ID_LENGTH: usize = 17;

/// `AROA…`
#[must_use]
pub(crate) fn role_id(random: &dyn Random) -> String {
    unique_id("AROA", random)
}

/// `AIDA…`
#[must_use]
pub(crate) fn user_id(random: &dyn Random) -> String {
    unique_id("AIDA", random)
}

/// `AGPA…`
#[must_use]
pub(crate) fn group_id(random: &dyn Random) -> String {
    unique_id("AGPA", random)
}

/// `ANPA…`
#[must_use]
pub(crate) fn policy_id(random: &dyn Random) -> String {
    unique_id("ANPA", random)
}

/// `AIPA…`
#[must_use]
pub(crate) fn instance_profile_id(random: &dyn Random) -> String {
    unique_id("AIPA", random)
}

#[must_use]
pub(crate) fn secret_access_key(random: &dyn Random) -> String {
    text(random, SECRET_ALPHABET, SECRET_LENGTH)
}

#[must_use]
pub(crate) fn session_token(random: &dyn Random) -> String {
    text(random, SECRET_ALPHABET, SESSION_TOKEN_LENGTH)
}

fn unique_id(prefix: &str, random: &dyn Random) -> String {
    format!("{prefix}{}", text(random, ID_ALPHABET, ID_LENGTH))
}

/// The alphabet's size must divide 256, or some characters would come up more often.
fn text<const N: usize>(random: &dyn Random, alphabet: &[u8; N], length: usize) -> String {
    const { assert!(256 % N == 0) };
    let mut raw = vec![0; length];
    random.fill(&mut raw);
    raw.iter().map(|byte| char::from(alphabet[usize::from(*byte) % N])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use hearth_types::SeededRandom;

    #[test]
    fn ids_have_the_prefix_length_and_alphabet_of_the_real_service() {
        let random = SeededRandom::new(1);
        let upper = |text: &str| text.bytes().all(|b| b.is_ascii_uppercase() || (b'2'..=b'7').contains(&b));
        for (id, prefix) in [
            (role_id(&random), "AROA"),
            (user_id(&random), "AIDA"),
            (group_id(&random), "AGPA"),
            (policy_id(&random), "ANPA"),
            (instance_profile_id(&random), "AIPA"),
        ] {
            assert!(id.starts_with(prefix) && id.len() == 21 && upper(&id), "{id}");
        }
        assert_eq!(secret_access_key(&random).len(), 40);
        assert_ne!(secret_access_key(&random), secret_access_key(&random));
    }
}
