//! Texts for people, without the tokens that may be in them.

/// What stands for a token.
const TOKEN: &str = "(token)";

/// Characters that the parts of a token have at the least, where nothing else tells them from a name's.
const LONG_PART: usize = 10;

/// A text in which whatever looks like a token is hidden: a `playerId` may be one, and so may anything that a provider got
/// wrong.
pub fn without_tokens(text: &str) -> String {
    let is_of_token = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '=');
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(is_of_token) {
        let end = rest[start..].find(|c| !is_of_token(c)).map_or(rest.len(), |length| start + length);
        let run = &rest[start..end];
        let token = token_in(run);
        shown.push_str(&rest[..start]);
        shown.push_str(&run[..token.unwrap_or(run.len())]);
        if token.is_some() {
            shown.push_str(TOKEN);
        }
        rest = &rest[end..];
    }
    shown + rest
}

/// Where a token begins in a run of its characters: with a header or claims that are JSON, whatever stands before them, or
/// else with parts that nobody gave as names. Three parts at the least, the last of which may be empty.
fn token_in(run: &str) -> Option<usize> {
    let parts: Vec<&str> = run.split('.').collect();
    if parts.len() < 3 {
        return None;
    }
    let mut start = 0;
    for part in &parts {
        // Amid a part, what decodes to a bracket and a space may be anybody's name.
        let is_amid = |at: usize| part.len() - at >= LONG_PART && part[at..].starts_with("eyJ");
        let opening = (0..part.len()).find(|at| (*at == 0 || is_amid(*at)) && opens_object(&part[*at..]));
        if let Some(at) = opening {
            return Some(start + at);
        }
        start += part.len() + 1;
    }
    parts[..2].iter().all(|part| is_random(part)).then_some(0)
}

/// Whether base64url begins with a JSON object that has members. `eyJ` does, and so do `eyAi` and `ewog`, with spaces.
fn opens_object(part: &str) -> bool {
    let mut bytes = decoded(part).skip_while({
        // At three bytes a later place of the same part is found.
        let mut spaces = 0;
        move |byte| {
            spaces += 1;
            spaces < 3 && byte.is_ascii_whitespace()
        }
    });
    bytes.next() == Some(b'{') && bytes.find(|byte| !byte.is_ascii_whitespace()) == Some(b'"')
}

/// The bytes of base64url, as far as it is some.
fn decoded(part: &str) -> impl Iterator<Item = u8> {
    let sextets = part.bytes().map_while(|c| match c {
        b'A'..=b'Z' => Some(c - b'A'),
        b'a'..=b'z' => Some(c - b'a' + 26),
        b'0'..=b'9' => Some(c - b'0' + 52),
        b'-' => Some(62),
        b'_' => Some(63),
        _ => None,
    });
    let mut kept = 0_u32;
    sextets.enumerate().filter_map(move |(place, sextet)| {
        kept = (kept << 6) | u32::from(sextet);
        let [.., byte] = (kept >> (6 - 2 * (place % 4))).to_be_bytes();
        (place % 4 > 0).then_some(byte)
    })
}

/// Long, of small and capital letters and of digits: so are no names of hosts, queues and games.
fn is_random(part: &str) -> bool {
    let has = |is: fn(&u8) -> bool| part.as_bytes().iter().any(is);
    part.len() >= LONG_PART && has(u8::is_ascii_lowercase) && has(u8::is_ascii_uppercase) && has(u8::is_ascii_digit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_in_a_text_is_hidden_and_the_rest_is_shown() {
        // {"alg":"none"}, the same with a space and with a line feed, {"sub":"alice"}, and names.
        let cases = [
            (r#"{"playerId":"eyJhbGciOi.eyJzdWIi.c2ln","amount":1}"#, r#"{"playerId":"(token)","amount":1}"#),
            ("eyJa.b.c", "(token)"),
            ("eyAiYWxnIjoibm9uZSJ9.eyJzdWIiOiJhbGljZSJ9.sig", "(token)"),
            ("ewogICJhbGciOiAibm9uZSIKfQ.eyJzdWIiOiJhbGljZSJ9.sig", "(token)"),
            ("IHsiYWxnIjoibm9uZSJ9.eyJzdWIiOiJhbGljZSJ9.sig", "(token)"),
            ("ICAgeyJhbGciOiJub25lIn0.claims.sig", "ICAg(token)"),
            ("Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJhbGljZSJ9., then", "Bearer (token), then"),
            ("eyJhbGciOiJub25lIn0.key.iv.text.tag", "(token)"),
            ("eyJhbGciOiJub25lIn0.eyJzdWIiOiJhbGljZSJ9.one.two, eyJhbGciOiJub25lIn0.a.b", "(token), (token)"),
            ("eyJhbGciOiJub25lIn0=.eyJzdWIiOiJhbGljZSJ9==.sig=", "(token)"),
            ("?token=eyJhbGciOiJub25lIn0.eyJzdWIiOiJhbGljZSJ9.sig&a=b", "?token=(token)&a=b"),
            (r"x\neyJhbGciOiJub25lIn0.eyJzdWIiOiJhbGljZSJ9.sig", r"x\n(token)"),
            ("hbGciOiJub25lIn0.eyJzdWIiOiJhbGljZSJ9.sig", "hbGciOiJub25lIn0.(token)"),
            ("4fGh81hbQx.Zk39sLq0Vw.x", "(token)"),
        ];
        let names = [
            r#"{"playerId":"eyJ"}"#,
            "no JSON",
            "eyJhbGciOiJub25lIn0.one",
            "v1.0.acme.order.bet to v1.0.acme-gaming.order.bet.result",
            "1.12.0-rc.1+build.7",
            "rabbitmq-cluster.messaging-system.svc.cluster.local, newport.example.com, keyJohn.smith.example.com",
            "newkirk-cluster.internal.example, newoil-terminal.internal.example",
            "10.0.0.1:5672 at 2026-11-27T10:00:00.123456Z",
            "5d2c9c0e-7c0f-8b11-9b3a-3f6c2a1d7e44 and 12.50 or 1.2.3.4",
            "amq.rabbitmq.reply-to.g1h2AA5yZXBseUAxMjcuMC4wLjEAAAAAAAAAAAAAAAA=.x",
            "...",
            "é.ü.ö",
        ];
        let cases = cases.into_iter().chain(names.map(|name| (name, name)));
        for (body, expected) in cases {
            assert_eq!(without_tokens(body), expected);
        }
    }
}
