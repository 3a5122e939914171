//! `POST /oauth/token` (RFC 6749, 4.1.3 and 6) and `POST /oauth/revoke` (RFC 7009).

use std::sync::Arc;

use super::client::authenticate;
use super::handler::GoPlayHandler;
use super::parameters::FormParameters;
use super::scope;
use super::wire::{OauthError, TokensReply, unstored};
use crate::dialects::http::{HandlerError, Reply, Request};
use crate::identity::grants::{ACCESS_LIFE, Exchange, GrantAct, GrantRefusal, Proof, TokenHash, random_text};
use crate::identity::pkce::Challenge;
use crate::wallet::SharedWallet;

pub async fn exchange(
    handler: Arc<GoPlayHandler>,
    wallet: SharedWallet,
    request: Request,
) -> Result<Reply, HandlerError> {
    let (access, refresh) = (random_text(), random_text());
    let exchange = read_exchange(&handler, &request, TokenHash::of(access.expose()), TokenHash::of(refresh.expose()))?;
    match wallet.grants(handler.party.clone(), GrantAct::Exchange(exchange)).await? {
        Ok(granted) => Ok(tokens(access.expose(), refresh.expose(), &granted.scope)),
        Err(refusal) => Err(refused(refusal).into()),
    }
}

fn read_exchange(
    handler: &GoPlayHandler,
    request: &Request,
    access: TokenHash,
    refresh: TokenHash,
) -> Result<Exchange, OauthError> {
    let form = FormParameters::of_form(request).ok_or_else(not_a_form)?;
    let client = handler.client(authenticate(handler, request, &form)?);
    let (given, proof) = proof(&form)?;
    Ok(Exchange { given: TokenHash::of(given), proof, client, access, refresh, at: request.at })
}

/// What is exchanged, and what must come with it.
fn proof(form: &FormParameters) -> Result<(&str, Proof), OauthError> {
    let missing = OauthError::invalid_request;
    match form.one("grant_type")? {
        Some("authorization_code") => {
            let code = form.one("code")?.ok_or_else(|| missing("code is missing"))?;
            let redirect_uri = form.one("redirect_uri")?.ok_or_else(|| missing("redirect_uri is missing"))?;
            let verifier = form.one("code_verifier")?.ok_or_else(|| missing("code_verifier is missing"))?;
            let challenge = Challenge::of_verifier(verifier);
            Ok((code, Proof::Code { redirect_uri: redirect_uri.to_owned(), challenge }))
        }
        Some("refresh_token") => {
            let token = form.one("refresh_token")?.ok_or_else(|| missing("refresh_token is missing"))?;
            let asked = form.one("scope")?;
            let scopes = asked.map(|asked| scope::parse(Some(asked))).transpose()?;
            Ok((token, Proof::Refresh { scope: scopes.map(|scopes| scope::text(&scopes)) }))
        }
        Some(_) => {
            let known = "grant_type must be authorization_code or refresh_token";
            Err(OauthError::new("unsupported_grant_type", known))
        }
        None => Err(missing("grant_type is missing")),
    }
}

fn tokens(access_token: &str, refresh_token: &str, scope: &str) -> Reply {
    let tokens = TokensReply { access_token, token_type: "Bearer", expires_in: ACCESS_LIFE, refresh_token, scope };
    unstored(Reply::json(200, "issued", &tokens))
}

fn refused(refusal: GrantRefusal) -> OauthError {
    let description = match refusal {
        GrantRefusal::ScopeExceeded => return OauthError::new("invalid_scope", "More was asked than was granted"),
        GrantRefusal::Unknown => "The code or refresh token is not known, or not this client's",
        GrantRefusal::Spent => "The code or refresh token was used before: all tokens of this grant have ended",
        GrantRefusal::Revoked => "The grant has been revoked",
        GrantRefusal::Expired => "The code or refresh token has expired",
        GrantRefusal::RedirectDiffers => "redirect_uri is not the one of the authorization request",
        GrantRefusal::VerifierDiffers => "code_verifier does not fit the code_challenge",
    };
    OauthError::new("invalid_grant", description)
}

/// Answers the same whether there was anything to revoke or not (RFC 7009, 2.2).
pub async fn revoke(
    handler: Arc<GoPlayHandler>,
    wallet: SharedWallet,
    request: Request,
) -> Result<Reply, HandlerError> {
    let act = read_revocation(&handler, &request)?;
    let _ = wallet.grants(handler.party.clone(), act).await?;
    Ok(unstored(Reply::empty(200, "revoked")))
}

fn read_revocation(handler: &GoPlayHandler, request: &Request) -> Result<GrantAct, OauthError> {
    let form = FormParameters::of_form(request).ok_or_else(not_a_form)?;
    let client = handler.client(authenticate(handler, request, &form)?);
    let token = form.one("token")?.ok_or_else(|| OauthError::invalid_request("token is missing"))?;
    Ok(GrantAct::Revoke { token: TokenHash::of(token), client })
}

fn not_a_form() -> OauthError {
    OauthError::invalid_request("The body must be application/x-www-form-urlencoded")
}
