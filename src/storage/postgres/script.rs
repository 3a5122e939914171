//! A script's statements, one by one: not every engine or proxy takes several of them in one message.

/// The statements without what is between them: blanks, comments, and the semicolons that end them. What is quoted, with
/// dollars too, is passed over; bodies that are not (`BEGIN ATOMIC`) are not known.
pub fn statements(script: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let (mut at, mut begin) = (0, None);
    while let Some((token, length)) = first(&script[at..]) {
        match token {
            Token::Gap => {}
            Token::Text => begin = begin.or(Some(at)),
            Token::End => found.extend(begin.take().map(|begin: usize| script[begin..at].trim_end())),
        }
        at += length;
    }
    found.extend(begin.map(|begin| script[begin..].trim_end()));
    found
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token {
    /// A blank or a comment.
    Gap,
    /// The semicolon.
    End,
    Text,
}

/// What the rest of a script begins with, and how many bytes of it that is.
fn first(rest: &str) -> Option<(Token, usize)> {
    let next = rest.chars().next()?;
    Some(match next {
        ';' => (Token::End, 1),
        _ if next.is_whitespace() => (Token::Gap, next.len_utf8()),
        '-' if rest.starts_with("--") => (Token::Gap, rest.find('\n').unwrap_or(rest.len())),
        '/' if rest.starts_with("/*") => (Token::Gap, block_comment(rest)),
        // One that is doubled ends a text and begins another, which comes to the same.
        '\'' | '"' => (Token::Text, rest[1..].find(next).map_or(rest.len(), |at| at + 2)),
        '$' => (Token::Text, dollar_quoted(rest)),
        _ if is_in_word(next) => (Token::Text, word(rest)),
        _ => (Token::Text, next.len_utf8()),
    })
}

fn is_in_word(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '$')
}

/// A name, a number, or a text in which backslashes escape.
fn word(rest: &str) -> usize {
    let end = rest.find(|c| !is_in_word(c)).unwrap_or(rest.len());
    if rest[..end].eq_ignore_ascii_case("e") && rest[end..].starts_with('\'') {
        return escaped(rest, end + 1);
    }
    end
}

fn escaped(rest: &str, begin: usize) -> usize {
    let mut is_escaped = false;
    for (at, c) in rest[begin..].char_indices() {
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            '\'' => return begin + at + 1,
            _ => {}
        }
    }
    rest.len()
}

/// `$$…$$` or `$tag$…$tag$`; else the dollar alone.
fn dollar_quoted(rest: &str) -> usize {
    let Some(tag_end) = rest[1..].find(|c: char| !c.is_alphanumeric() && c != '_').map(|at| at + 1) else { return 1 };
    if !rest[tag_end..].starts_with('$') || rest[1..].starts_with(|c: char| c.is_ascii_digit()) {
        return 1;
    }
    let tag = &rest[..=tag_end];
    rest[tag.len()..].find(tag).map_or(rest.len(), |at| at + 2 * tag.len())
}

/// Comments of this kind may hold others.
fn block_comment(rest: &str) -> usize {
    let (mut depth, mut at) = (0_u32, 0);
    while at < rest.len() {
        let (more, step) = match &rest.as_bytes()[at..] {
            [b'/', b'*', ..] => (1, 2),
            [b'*', b'/', ..] => (-1, 2),
            _ => (0, 1),
        };
        (depth, at) = (depth.saturating_add_signed(more), at + step);
        if depth == 0 {
            return at;
        }
    }
    rest.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCRIPTS: &[(&str, &[&str])] = &[
        ("", &[]),
        (" ;; \n; -- nothing; at all", &[]),
        ("SELECT 1", &["SELECT 1"]),
        ("SELECT 1;", &["SELECT 1"]),
        ("-- why; and how\nA (1);\n/* not /* this; */ ; */ B\n  ;\nC ", &["A (1)", "B", "C"]),
        ("A -- it's here; still\n(1); B", &["A -- it's here; still\n(1)", "B"]),
        ("A 'a;b' ; B 'it''s; it' ; C", &["A 'a;b'", "B 'it''s; it'", "C"]),
        (r"A '\'; B E'\'; b' ; C e'\\'; D name'\'; E", &[r"A '\'", r"B E'\'; b'", r"C e'\\'", r"D name'\'", "E"]),
        ("A \"a;\"\"b\"; B", &["A \"a;\"\"b\"", "B"]),
        ("A $$ b; 'c $x$ $$; B $x$ $$; $y$; $x$; C", &["A $$ b; 'c $x$ $$", "B $x$ $$; $y$; $x$", "C"]),
        ("A $1; B a$b$; C $2$; D $é$;$é$", &["A $1", "B a$b$", "C $2$", "D $é$;$é$"]),
        ("A '--'; B '/*'; C 1/2-1; D", &["A '--'", "B '/*'", "C 1/2-1", "D"]),
        ("A 'not ended; B", &["A 'not ended; B"]),
        ("A $$ not ended; B", &["A $$ not ended; B"]),
        ("A /* not ended; B", &["A /* not ended; B"]),
        ("Ä ‘;’; ö", &["Ä ‘", "’", "ö"]),
        ("A $", &["A $"]),
        ("A '", &["A '"]),
        ("E'", &["E'"]),
    ];

    #[test]
    fn a_script_is_cut_at_the_semicolons_that_end_its_statements() {
        for (script, ought) in SCRIPTS {
            assert_eq!(statements(script), *ought, "{script}");
        }
    }

    #[test]
    fn nothing_of_a_script_is_lost_and_no_cut_makes_another_cut() {
        for (script, _) in SCRIPTS {
            for end in (0..=script.len()).filter(|end| script.is_char_boundary(*end)) {
                for statement in statements(&script[..end]) {
                    assert_eq!(statements(statement), [statement.trim_end()], "{script} up to {end}");
                }
            }
        }
    }
}
