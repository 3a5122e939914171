//! The tables, the same for both databases (see `migrations/`).

diesel::table! {
    writers (id) {
        id -> Integer,
        last_seq -> BigInt,
        head -> Binary,
    }
}

diesel::table! {
    journal (seq) {
        seq -> BigInt,
        writer -> Integer,
        key -> Nullable<Binary>,
        at -> BigInt,
        party -> Text,
        command -> Text,
        outcome -> Text,
        hash -> Binary,
    }
}

diesel::table! {
    transfers (seq, leg) {
        seq -> BigInt,
        leg -> SmallInt,
        debit -> Binary,
        credit -> Binary,
        amount -> BigInt,
    }
}

diesel::table! {
    players (id) {
        id -> Binary,
        party -> Text,
        player -> Text,
        home_currency -> Text,
        username -> Nullable<Text>,
        nickname -> Nullable<Text>,
        email -> Nullable<Text>,
        gender -> Nullable<Text>,
    }
}

diesel::table! {
    credentials (player) {
        player -> Binary,
        password_hash -> Text,
    }
}

diesel::table! {
    accounts (id) {
        id -> Binary,
        party -> Text,
        side -> Text,
        player -> Nullable<Binary>,
        currency -> Text,
        bucket -> Text,
        wallet -> Text,
        product -> Integer,
        balance -> BigInt,
        staked_day -> Integer,
        staked -> BigInt,
    }
}

diesel::table! {
    orders (id) {
        id -> Binary,
        party -> Text,
        game -> Text,
        external_id -> Text,
        player -> Binary,
        state -> Text,
        stake -> Nullable<BigInt>,
        currency -> Nullable<Text>,
        bucket -> Nullable<Text>,
        wallet -> Nullable<Text>,
        product -> Nullable<Integer>,
        round -> Nullable<BigInt>,
        day -> Nullable<Integer>,
        paid -> BigInt,
        changed_seq -> BigInt,
    }
}

diesel::table! {
    grants (id) {
        id -> Binary,
        party -> Text,
        client -> Text,
        player -> Text,
        redirect_uri -> Text,
        challenge -> Text,
        expires_at -> BigInt,
        revoked -> Bool,
    }
}

diesel::table! {
    grant_tokens (hash) {
        hash -> Binary,
        grant_id -> Binary,
        kind -> Text,
        scope -> Text,
        expires_at -> BigInt,
        spent -> Bool,
    }
}

diesel::allow_tables_to_appear_in_same_query!(grants, grant_tokens);
diesel::allow_tables_to_appear_in_same_query!(accounts, players);
