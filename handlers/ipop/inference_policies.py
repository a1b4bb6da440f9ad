from __future__ import annotations

from dataclasses import asdict
from typing import Any

from codegen.generated.ipop.routes import (
    AdminInferencePoliciesUpdateBody,
    AdminInferencePoliciesUpdateParams,
    InferencePoliciesGetParams,
    InferencePoliciesUpdateBody,
    InferencePoliciesUpdateParams,
)
from handlers.core.call import Call
from handlers.core.capture import policy
from handlers.ipop.moments import write_moment


async def admin_inference_policies_list(call: Call) -> dict[str, Any]:
    """Projects are named by their slugs, as in paths."""
    overrides = [
        {
            "project_id": slug,
            "policy": row.policy,
            "updated_by": row.updated_by,
            "updated_at": write_moment(row.updated_at.timestamp()),
        }
        for slug, row in await policy.list_policies(call)
    ]
    return {"global": asdict(call.services.capture.policies.default), "project_overrides": overrides}


async def admin_inference_policies_update(
    params: AdminInferencePoliciesUpdateParams, body: AdminInferencePoliciesUpdateBody, call: Call
) -> dict[str, Any]:
    return asdict(await policy.set_policy_of(params.project_id, body.data["policy"], call))


async def inference_policies_get(params: InferencePoliciesGetParams, call: Call) -> dict[str, Any]:
    return asdict(await policy.get_policy(params.project_id, call))


async def inference_policies_update(
    params: InferencePoliciesUpdateParams, body: InferencePoliciesUpdateBody, call: Call
) -> dict[str, Any]:
    return asdict(await policy.set_policy(params.project_id, body.data, call))
