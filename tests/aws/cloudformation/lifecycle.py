"""Operations on stacks: one resource after the other, on the clock, with rollback.

https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/view-stack-events.html lists the
states. A fault "failed" of the service cloudformation, which `match`es StackName, LogicalResourceId
and, where it is to strike a deletion or a rollback, Operation ("delete", "rollback"), lets a
resource fail with its `message` for the reason.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .kinds import KINDS, Failure
from .model import CloudFormation, Made, Stack, Version
from .template import PSEUDO, order_of, value_of

Step = Callable[[], None]
Steps = list[tuple[str, Step]]


class Operation:
    """One operation on a stack. Its steps are carried out one by one; the first that fails ends it.
    """

    def __init__(self, store: CloudFormation, stack: Stack) -> None:
        self.store, self.stack = store, stack
        self.clock = store.world.clock
        self.retags = False
        stack.operation = self  # a deletion ends a creation

    # --- the operations ---

    def create(self) -> None:
        self.store.become(self.stack, "CREATE_IN_PROGRESS", "User Initiated")
        self.run([(logical, self.bring(logical, "CREATE")) for logical in
                  order_of(self.stack.version.template)], self.created, self.create_failed)

    def update(self, version: Version) -> None:
        before, self.stack.version = self.stack.version, version
        self.retags = before.tags != version.tags
        self.stack.updated = self.store.now()
        self.store.become(self.stack, "UPDATE_IN_PROGRESS", "User Initiated")
        kept = dict(self.stack.resources)
        self.run([(logical, self.bring(logical, "UPDATE")) for logical in order_of(version.template)],
                 lambda: self.updated(kept), lambda failed: self.update_failed(failed, before, kept))

    def delete(self) -> None:
        self.store.become(self.stack, "DELETE_IN_PROGRESS", "User Initiated")
        self.run(self.removals(list(self.stack.resources.values()), "delete"), self.deleted,
                 lambda failed: self.store.become(
                     self.stack, "DELETE_FAILED",
                     f"The following resource(s) failed to delete: [{failed}]. "))

    # --- how they end ---

    def created(self) -> None:
        self.outputs()
        self.store.become(self.stack, "CREATE_COMPLETE")

    def create_failed(self, failed: str) -> None:
        reason = f"The following resource(s) failed to create: [{failed}]. "
        if self.stack.on_failure == "DO_NOTHING":
            self.store.become(self.stack, "CREATE_FAILED", reason)
            return
        self.store.become(self.stack, "ROLLBACK_IN_PROGRESS", reason + "Rollback requested by user.")
        self.run(self.removals(list(self.stack.resources.values()), "rollback"),
                 lambda: self.store.become(self.stack, "ROLLBACK_COMPLETE"),
                 lambda _: self.store.become(self.stack, "ROLLBACK_FAILED",
                                             f"The following resource(s) failed to delete: [{_}]. "))

    def updated(self, kept: dict[str, Made]) -> None:
        """What is no longer in the template, or was replaced, goes last."""
        self.outputs()
        self.store.become(self.stack, "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS")
        self.clean(kept, "UPDATE_COMPLETE")

    def clean(self, kept: dict[str, Made], status: str) -> None:
        wanted = self.stack.version.template["Resources"]
        old = [m for logical, m in kept.items()
               if logical not in wanted or self.stack.resources[logical].physical != m.physical]
        for one in old:
            if one.logical not in wanted:
                self.stack.resources.pop(one.logical, None)
        self.run([(one.logical, self.removal(one, "delete", forget=False)) for one in
                  reversed(old)], lambda: self.store.become(self.stack, status),
                 lambda _: self.store.become(self.stack, status))

    def update_failed(self, failed: str, before: Version, kept: dict[str, Made]) -> None:
        """Everything goes back; in AWS, too, the stack has its parameters and tags from before."""
        self.store.become(self.stack, "UPDATE_ROLLBACK_IN_PROGRESS",
                          f"The following resource(s) failed to create or update: [{failed}]. ")
        self.stack.version = before
        half = dict(self.stack.resources)

        def back() -> None:
            self.store.become(self.stack, "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS")
            new = {logical: m for logical, m in half.items()
                   if logical not in kept or kept[logical].physical != m.physical}
            self.stack.resources = {**half, **kept}
            for logical in list(self.stack.resources):
                if logical not in before.template["Resources"]:
                    del self.stack.resources[logical]
            self.run([(m.logical, self.removal(m, "rollback", forget=False)) for m in new.values()],
                     lambda: self.store.become(self.stack, "UPDATE_ROLLBACK_COMPLETE"),
                     lambda _: self.store.become(self.stack, "UPDATE_ROLLBACK_COMPLETE"))
        self.run([(logical, self.restore(made)) for logical, made in kept.items()], back,
                 lambda again: self.store.become(
                     self.stack, "UPDATE_ROLLBACK_FAILED",
                     f"The following resource(s) failed to update: [{again}]. "))

    def deleted(self) -> None:
        self.stack.deleted = self.store.now()
        self.store.become(self.stack, "DELETE_COMPLETE")

    # --- their steps ---

    def run(self, steps: Steps, done: Step, failed: Callable[[str], None]) -> None:
        """Each step takes its time; the first that fails ends the run."""
        if not steps:
            self.clock.after(0, lambda: done() if self.stack.operation is self else None)
            return
        (logical, step), rest = steps[0], steps[1:]

        def now() -> None:
            if self.stack.operation is not self:
                return
            try:
                step()
            except Failure:
                failed(logical)
            else:
                self.run(rest, done, failed)
        self.clock.after(self.clock.duration("stack.resource"), now)

    def bring(self, logical: str, verb: str) -> Step:
        """Make the resource, or change it, as the stack's template now has it."""
        def step() -> None:
            resource = self.stack.version.template["Resources"][logical]
            kind = KINDS[resource["Type"]](self.store, self.stack)
            properties = value_of(resource.get("Properties", {}), self.ref, self.attribute)
            there = self.stack.resources.get(logical)
            if there is not None and there.properties == properties and \
                    there.kind == resource["Type"]:
                if verb == "UPDATE" and self.retags and kind.tagged:
                    self.carry_out(there, verb, lambda: kind.change(there), "update")
                return
            in_place = there is not None and there.kind == resource["Type"] and not any(
                there.properties.get(p) != properties.get(p) for p in kind.replaced)
            made = Made(logical, resource["Type"], there.physical if in_place and there else "",
                        properties, attributes=there.attributes if in_place and there else {})
            self.carry_out(made, "UPDATE" if there is not None else "CREATE",
                           lambda: kind.change(made) if in_place else kind.make(made),
                           "update" if verb == "UPDATE" else "create")
            self.stack.resources[logical] = made
        return step

    def restore(self, made: Made) -> Step:
        """Back to what it was before the update."""
        def step() -> None:
            now = self.stack.resources.get(made.logical)
            if now is made or now is None or now.physical != made.physical:
                return
            kind = KINDS[made.kind](self.store, self.stack)
            self.carry_out(made, "UPDATE", lambda: kind.change(made), "rollback")
        return step

    def removals(self, resources: list[Made], operation: str) -> Steps:
        return [(m.logical, self.removal(m, operation)) for m in reversed(resources)]

    def removal(self, made: Made, operation: str, forget: bool = True) -> Step:
        def step() -> None:
            kind = KINDS[made.kind](self.store, self.stack)
            self.carry_out(made, "DELETE", lambda: kind.delete(made), operation)
            if forget:
                self.stack.resources.pop(made.logical, None)
        return step

    def carry_out(self, made: Made, verb: str, action: Step, operation: str) -> None:
        """One resource's part, with its events; raises Failure with the reason noted."""
        def note(status: str, reason: str = "") -> None:
            made.status = f"{verb}_{status}"
            self.store.note(self.stack, made.logical, made.kind, made.physical, made.status, reason)
        note("IN_PROGRESS")
        try:
            self.strike(made.logical, operation)
            if verb != "DELETE":
                KINDS[made.kind](self.store, self.stack).check(made.properties)
            action()
        except Failure as failure:
            note("FAILED", str(failure))
            raise
        note("COMPLETE")

    def strike(self, logical: str, operation: str) -> None:
        rule = self.store.world.faults.found("failed", "cloudformation", StackName=self.stack.name,
                                             LogicalResourceId=logical, Operation=operation)
        meant = (rule or {}).get("match", {}).get("Operation")
        if rule and (meant or operation in ("create", "update")):
            raise Failure(rule.get("message", "Internal Failure"))

    # --- what templates refer to ---

    def ref(self, name: str) -> Any:
        if name in self.stack.version.parameters:
            return self.stack.version.parameters[name]
        if name in PSEUDO:
            return {"AWS::Region": self.store.region, "AWS::AccountId": self.store.account,
                    "AWS::StackName": self.stack.name, "AWS::StackId": self.stack.id,
                    "AWS::Partition": "aws", "AWS::URLSuffix": "amazonaws.com"}.get(name)
        return self.stack.resources[name].physical

    def attribute(self, name: str, attribute: str) -> str:
        return self.stack.resources[name].attributes[attribute]

    def outputs(self) -> None:
        outputs = []
        for key, output in self.stack.version.template.get("Outputs", {}).items():
            value = str(value_of(output["Value"], self.ref, self.attribute))
            shown = {"OutputKey": key, "OutputValue": value}
            if "Description" in output:
                shown["Description"] = output["Description"]
            outputs.append(shown)
        self.stack.outputs = outputs
