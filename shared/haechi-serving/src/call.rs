//! What a tool's handler knows of the call that it answers.

use std::sync::Arc;

use haechi_contract::{Code, Problem};
use rmcp::model::{ProgressNotificationParam, ProgressToken};
use rmcp::service::{Peer, RoleServer};
use tokio::sync::OwnedSemaphorePermit;
use tokio_util::sync::CancellationToken;

use crate::Limits;

/// Who is asking.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    pub name: String,
    pub roles: Vec<String>,
}

impl Principal {
    /// Whoever asks where nobody proves who they are.
    pub(crate) fn anonymous() -> Self {
        Self { name: "anonymous".to_owned(), roles: Vec::new() }
    }
}

/// One call: who asks, whether it was cancelled, and the bounds it must keep.
#[derive(Clone)]
pub struct Call {
    pub principal: Arc<Principal>,
    /// Cancelled when the client cancels, goes away, or the call's time is over. Long work must
    /// look at it, since a running computation is never torn down from outside.
    pub cancel: CancellationToken,
    pub limits: Arc<Limits>,
    progress: Option<(Peer<RoleServer>, ProgressToken)>,
    /// The turn that this call holds. Blocking work keeps it until it really ends, since work that
    /// goes on after its call was given up still uses what the turns bound.
    turn: Arc<OwnedSemaphorePermit>,
}

impl Call {
    pub(crate) fn new(
        principal: Arc<Principal>,
        cancel: CancellationToken,
        limits: Arc<Limits>,
        progress: Option<(Peer<RoleServer>, ProgressToken)>,
        turn: OwnedSemaphorePermit,
    ) -> Self {
        Self { principal, cancel, limits, progress, turn: Arc::new(turn) }
    }

    /// Runs `work` on a thread that may block, and gives its answer back.
    ///
    /// The closure receives the call's cancellation token. A panic in it becomes
    /// [`Code::Internal`]; the cause is logged and the server goes on.
    ///
    /// # Errors
    ///
    /// What `work` answers, or [`Code::Internal`] after a panic.
    pub async fn blocking<T, E>(
        &self,
        work: impl FnOnce(&CancellationToken) -> Result<T, E> + Send + 'static,
    ) -> Result<T, Problem>
    where
        T: Send + 'static,
        E: Into<Problem> + Send + 'static,
    {
        let (cancel, turn) = (self.cancel.clone(), self.turn.clone());
        let work = move || {
            let _turn = turn;
            work(&cancel).map_err(Into::into)
        };
        match tokio::task::spawn_blocking(work).await {
            Ok(answer) => answer,
            // The panic hook has logged the place; a panic's text may hold data and is not repeated.
            Err(_) => Err(Problem::internal()),
        }
    }

    /// Tells a client that asked for progress how far the work is; does nothing otherwise.
    pub async fn progress(&self, done: u64, total: Option<u64>, message: &str) {
        let Some((peer, token)) = &self.progress else { return };
        #[expect(clippy::cast_precision_loss, reason = "the protocol counts progress in floating point")]
        let mut parameters = ProgressNotificationParam::new(token.clone(), done as f64).with_message(message);
        if let Some(total) = total {
            #[expect(clippy::cast_precision_loss, reason = "the protocol counts progress in floating point")]
            let total = total as f64;
            parameters = parameters.with_total(total);
        }
        // A client that went away is told nothing; its call is cancelled by other means.
        let _ = peer.notify_progress(parameters).await;
    }

    /// The refusal of a call that was cancelled, for work that notices it.
    pub fn cancelled() -> Problem {
        Problem::new(Code::Cancelled, "요청이 취소되었습니다")
    }
}
