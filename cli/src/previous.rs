//! What an earlier run of the same workflow gave, for a report that compares.
//!
//! The earlier answers are copied into the record of the new run, so that it can be replayed when
//! the earlier one is gone.

use haechi_contract::Problem;
use serde_json::{Map, Value, json};

use crate::record::{EventKind, Recorded, find, list};
use crate::workflow::Previous;
use crate::workspace::Workspace;

/// The answers of the run that `previous` means, or null where there is none yet.
///
/// # Errors
///
/// When a run is named that does not exist, or its record is damaged.
pub(crate) fn look_up(workspace: &Workspace, workflow: &str, wanted: &Previous) -> Result<Value, Problem> {
    let approved = match wanted {
        Previous::None => return Ok(Value::Null),
        Previous::Run(run) => return answers(&Recorded::read(&find(workspace, run)?)?),
        Previous::Last => false,
        Previous::LastApproved => true,
    };
    for id in list(workspace).into_iter().rev() {
        // A damaged record of some other run is no reason to stop.
        let Ok(recorded) = Recorded::read(&workspace.runs().join(&id)) else { continue };
        let Some(manifest) = &recorded.manifest else { continue };
        let decided = manifest.approvals.iter().any(|approval| approval.approved);
        if recorded.start.workflow == workflow && manifest.status == "whole" && (decided || !approved) {
            return answers(&recorded);
        }
    }
    Ok(Value::Null)
}

fn answers(recorded: &Recorded) -> Result<Value, Problem> {
    let mut steps = Map::new();
    for event in &recorded.events {
        let (Some(step), Some(hash)) = (&event.step, &event.result_sha256) else { continue };
        if !matches!(event.event, EventKind::Call | EventKind::Step) {
            continue;
        }
        let Ok(value) = serde_json::from_slice::<Value>(&recorded.blob(hash)?) else { continue };
        let value = crate::answers::with_records(&value);
        let entry = steps.entry(step.clone()).or_insert_with(|| json!({ "status": "ok" }));
        match event.item {
            Some(_) => {
                if let Some(items) = entry.as_object_mut() {
                    let list = items.entry("out").or_insert_with(|| json!([]));
                    if let Some(list) = list.as_array_mut() {
                        list.push(value);
                    }
                }
            }
            None => entry["out"] = value,
        }
    }
    for (id, summary) in recorded.manifest.iter().flat_map(|manifest| &manifest.steps) {
        steps.entry(id.clone()).or_insert_with(|| json!({}))["status"] = summary.status.clone().into();
    }
    let start = &recorded.start;
    Ok(json!({ "run": start.run, "started_at": start.started_at, "inputs": start.inputs, "steps": steps }))
}
