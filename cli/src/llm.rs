//! Models behind an OpenAI-compatible address: one question, one whole answer.
//!
//! Invariant: what is sent is what the record keeps, and an answer that was cut off is no answer.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use crate::trouble::Trouble;

/// A longer answer is refused.
const ANSWER_BYTES_MAX: u64 = 4 << 20;

/// A model that steps may ask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Endpoint {
    /// `http://HOST:PORT/v1`.
    pub(crate) base_url: String,
}

/// The models of a run, by the names that the workflow gives them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Models(pub(crate) BTreeMap<String, Endpoint>);

impl Models {
    /// Asks a model; the request is the body of `/chat/completions`.
    ///
    /// # Errors
    ///
    /// An endpoint that is not there, refuses, takes too long or answers nonsense.
    pub(crate) async fn ask(&self, name: &str, request: &Value, timeout: Duration) -> Result<Value, Trouble> {
        let endpoint = self
            .0
            .get(name)
            .ok_or_else(|| Trouble::failed("internal", format!("모델 `{name}`이(가) 준비되지 않았습니다")))?;
        let url = format!("{}/chat/completions", endpoint.base_url.trim_end_matches('/'));
        let body = request.to_string();
        let asked = tokio::task::spawn_blocking(move || post(&url, &body, timeout)).await;
        let answer = asked.map_err(|_| Trouble::failed("internal", "모델에 묻다가 내부 오류가 났습니다"))??;
        let choice = &answer["choices"][0];
        let Some(text) = choice["message"]["content"].as_str() else {
            return Err(Trouble::failed("unexpected", format!("모델 `{name}`의 답에 글이 없습니다")));
        };
        if choice["finish_reason"] == "length" {
            return Err(Trouble::failed("too_large", format!("모델 `{name}`의 답이 길이 제한에 잘렸습니다"))
                .hint("`max_tokens`를 늘리거나 줄여 쓰라고 하십시오"));
        }
        Ok(
            json!({ "text": text, "model": answer["model"], "finish_reason": choice["finish_reason"], "usage": answer["usage"] }),
        )
    }
}

fn post(url: &str, body: &str, timeout: Duration) -> Result<Value, Trouble> {
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .timeout_global(Some(timeout))
        .http_status_as_error(false)
        // A redirect could send the data to an address that nobody wrote down.
        .max_redirects(0)
        .build()
        .into();
    let sent = agent.post(url).header("content-type", "application/json").send(body);
    let mut response = match sent {
        Ok(response) => response,
        Err(ureq::Error::Timeout(_)) => {
            return Err(Trouble::timeout(format!("모델이 {}초 안에 답하지 않았습니다", timeout.as_secs_f64())));
        }
        Err(_) => {
            return Err(Trouble::unreachable(format!("모델 주소 {url}에 연결하지 못했습니다"))
                .hint("모델 서버가 떠 있는지, `models`의 base_url이 맞는지 살피십시오"));
        }
    };
    let status = response.status();
    let text = match response.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_string() {
        Ok(text) => text,
        Err(ureq::Error::Timeout(_)) => return Err(Trouble::timeout("모델의 답이 도중에 멈췄습니다")),
        Err(_) => return Err(Trouble::unreachable("모델의 답을 끝까지 받지 못했습니다")),
    };
    if !status.is_success() {
        let busy = status.as_u16() == 429 || status.is_server_error();
        let code = if busy { "unavailable" } else { "failed" };
        return Err(Trouble {
            code: code.into(),
            ..Trouble::unreachable(format!("모델이 요청을 거부했습니다 (HTTP {})", status.as_u16()))
        });
    }
    serde_json::from_str(&text).map_err(|_| Trouble::failed("unexpected", "모델 서버의 답이 JSON이 아닙니다"))
}

/// The JSON in an answer, with or without the fence that some models put around it.
pub(crate) fn json_in(text: &str) -> Option<Value> {
    let text = text.trim();
    let inside = text
        .strip_prefix("```json")
        .or_else(|| text.strip_prefix("```"))
        .and_then(|rest| rest.trim_end().strip_suffix("```"));
    serde_json::from_str(inside.unwrap_or(text).trim()).ok()
}
