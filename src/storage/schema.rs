//! The tables, the same for both databases (see `migrations/`).

diesel::table! {
    writers (id) {
        id -> Integer,
        last_seq -> BigInt,
        head -> Binary,
        pruned_seq -> BigInt,
        pruned_head -> Binary,
    }
}

diesel::table! {
    checkpoints (id) {
        id -> Integer,
        seq -> BigInt,
        until -> BigInt,
        rows_left -> BigInt,
        accounts_carried -> BigInt,
        seals -> Binary,
    }
}

diesel::table! {
    carried (account, counterpart) {
        account -> Binary,
        counterpart -> Binary,
        amount -> BigInt,
        seal -> Binary,
    }
}

diesel::table! {
    journal (seq) {
        seq -> BigInt,
        at -> BigInt,
        writer -> Integer,
        by_key -> Bool,
        key -> Nullable<Binary>,
        party -> Text,
        transfers -> Binary,
        command -> Text,
        outcome -> Text,
        hash -> Binary,
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
        vip -> Nullable<Text>,
    }
}

diesel::table! {
    usernames (party, username) {
        party -> Text,
        username -> Text,
        player -> Binary,
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
        placed_seq -> Nullable<BigInt>,
        settled_seq -> Nullable<BigInt>,
        cancelled_seq -> Nullable<BigInt>,
    }
}

diesel::table! {
    transactions (number) {
        number -> BigInt,
        key -> Binary,
        party -> Text,
        player -> Binary,
        scope -> Text,
        kind -> Integer,
        region -> Integer,
        partner -> Integer,
        reference -> Text,
        round -> Nullable<Text>,
        currency -> Text,
        product -> Integer,
        moved_real -> BigInt,
        moved_bonus -> BigInt,
        moved_ring_fenced -> BigInt,
        moved_gbt_bonus -> BigInt,
        external -> BigInt,
        source -> Nullable<BigInt>,
        state -> Text,
        ended_by -> Nullable<BigInt>,
        memo -> Text,
        worth -> Nullable<Text>,
        token -> Nullable<Text>,
    }
}

diesel::table! {
    voids (source) {
        source -> BigInt,
        party -> Text,
        player -> Binary,
        kind -> Integer,
        state -> Text,
        queued_at -> BigInt,
        attempt -> Integer,
    }
}

diesel::table! {
    offers (id) {
        id -> Binary,
        party -> Text,
        offer -> Text,
        name -> Text,
        price -> BigInt,
        currency -> Text,
        stock -> BigInt,
    }
}

diesel::table! {
    gift_keys (id) {
        id -> Binary,
        offer -> Binary,
        seq -> BigInt,
        position -> Integer,
        sealed -> Text,
        purchase -> Nullable<BigInt>,
    }
}

diesel::table! {
    purchases (number) {
        number -> BigInt,
        party -> Text,
        buyer -> Text,
        offer -> Binary,
        paid -> BigInt,
        keys -> Integer,
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

diesel::table! {
    history_position (id) {
        id -> Integer,
        number -> BigInt,
    }
}

diesel::table! {
    history_pages (kind, bucket, first) {
        kind -> SmallInt,
        bucket -> SmallInt,
        first -> BigInt,
        entries -> Binary,
    }
}

diesel::table! {
    trail (number) {
        number -> BigInt,
        id -> Binary,
        at -> BigInt,
        who -> Text,
        role -> Text,
        origin -> Text,
        act -> Text,
        party -> Text,
        target -> Text,
        detail -> Text,
        outcome -> Text,
        concludes -> Nullable<BigInt>,
        hash -> Binary,
    }
}

diesel::table! {
    trail_heads (id) {
        id -> Integer,
        number -> BigInt,
        hash -> Binary,
    }
}

diesel::table! {
    approvals (id) {
        id -> Binary,
        party -> Text,
        act -> Text,
        key -> Text,
        player -> Text,
        currency -> Text,
        amount -> BigInt,
        command -> Text,
        reason -> Text,
        asked_by -> Text,
        asked_from -> Text,
        asked_at -> BigInt,
        expires_at -> BigInt,
        state -> Text,
        decided_by -> Text,
        decided_at -> BigInt,
    }
}

diesel::table! {
    party_moves (party) {
        party -> Text,
        state -> Text,
        other -> Text,
        since -> BigInt,
    }
}

diesel::table! {
    last_audit (id) {
        id -> Integer,
        began_at -> BigInt,
        ended_at -> BigInt,
        report -> Text,
        succeeded_at -> BigInt,
    }
}

diesel::table! {
    console_sessions (id) {
        id -> Binary,
        operator -> Text,
        token -> Binary,
        expires_at -> BigInt,
        notice -> Text,
    }
}

diesel::table! {
    letter_plans (id) {
        id -> Binary,
        party -> Text,
        stage -> Text,
        written_at -> BigInt,
        plan -> Text,
        touched -> Binary,
    }
}

diesel::allow_tables_to_appear_in_same_query!(accounts, orders, players, transactions, voids);
diesel::allow_tables_to_appear_in_same_query!(credentials, players);
diesel::allow_tables_to_appear_in_same_query!(players, usernames);
diesel::allow_tables_to_appear_in_same_query!(gift_keys, purchases);
diesel::allow_tables_to_appear_in_same_query!(grants, grant_tokens);
