//! Pods that are not ready, and what keeps them from it.

use super::super::object::Object;
use super::super::snapshot::Kind;
use super::{Finding, Scene};

pub(super) fn judge(scene: &mut Scene<'_>) {
    let mut ready = 0;
    let mut troubled = Vec::new();
    for pod in scene.snapshot.all(Kind::Pod) {
        let ended = matches!(pod.text("/status/phase"), Some("Succeeded"));
        let going = pod.has("/metadata/deletionTimestamp");
        if ended || going {
            continue;
        }
        match pod.condition("/status/conditions", "Ready") {
            Some(condition) if condition.holds() => ready += 1,
            _ => troubled.push(trouble(pod)),
        }
    }
    let none_troubled = troubled.is_empty();
    scene.findings.extend(troubled);
    if none_troubled && ready > 0 {
        scene.add(Finding::ok("pods", "Pods", format!("{ready} ready, none that is not")));
    }
}

fn trouble(pod: Object<'_>) -> Finding {
    let (name, namespace) = (pod.name(), pod.namespace());
    let containers =
        || pod.list("/status/initContainerStatuses").chain(pod.list("/status/containerStatuses"));
    let waiting = containers().find_map(|container| {
        let reason = container.text("/state/waiting/reason")?;
        let benign = matches!(reason, "ContainerCreating" | "PodInitializing");
        (!benign).then(|| (container.text("/name").unwrap_or_default(), reason, container))
    });
    if let Some((container, reason, status)) = waiting {
        let message =
            status.text("/state/waiting/message").map_or(String::new(), |message| format!(": {message}"));
        let what = format!("container {container} waits, {reason}{message}");
        let mend = match reason {
            "ErrImagePull" | "ImagePullBackOff" | "ErrImageNeverPull" | "InvalidImageName" => format!(
                "the image '{}' is not on the node and no registry has it: docker save IMAGE | sudo k3s ctr images import -, or \
                 name one that a registry has",
                status.text("/image").unwrap_or_default()
            ),
            "CrashLoopBackOff" => format!("kubectl logs -n {namespace} {name} -c {container} --previous"),
            "CreateContainerConfigError" => {
                format!(
                    "a Secret or ConfigMap that it names is missing: kubectl describe pod {name} -n {namespace}"
                )
            }
            _ => format!("kubectl describe pod {name} -n {namespace}"),
        };
        let code = if reason.contains("Image") { "pod_image" } else { "pod_not_ready" };
        return Finding::error(code, pod.place(), what, mend);
    }
    if let Some(scheduled) = pod.condition("/status/conditions", "PodScheduled")
        && !scheduled.holds()
    {
        let mend = format!("no node can take it: kubectl describe pod {name} -n {namespace}");
        return Finding::error("pod_unscheduled", pod.place(), scheduled.why(), mend);
    }
    let why = pod.condition("/status/conditions", "Ready").map(|condition| condition.why());
    let what = why.filter(|why| !why.is_empty()).unwrap_or_else(|| "not ready".to_owned());
    Finding::error(
        "pod_not_ready",
        pod.place(),
        what,
        format!(
            "kubectl logs -n {namespace} {name} --all-containers; kubectl describe pod {name} -n {namespace}"
        ),
    )
}
