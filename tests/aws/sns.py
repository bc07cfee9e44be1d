"""Amazon SNS: subscriptions by e-mail that somebody has to confirm, over moto's store.

https://docs.aws.amazon.com/sns/latest/api/API_Subscribe.html; moto confirms them by itself. A test
confirms one as the person does who follows the link in the mail: `Endpoint.confirm`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from moto.sns.models import sns_backends

from .errors import AwsError
from .registry import Call, Raw, Service, paged

if TYPE_CHECKING:
    from .world import World

# https://docs.aws.amazon.com/sns/latest/api/CommonErrors.html
ACTIONS = Service("sns", throttle=("Throttling", 400), invalid="InvalidParameter")
BY_MAIL = {"email", "email-json"}
PROTOCOLS = BY_MAIL | {"http", "https", "sms", "sqs", "application", "lambda", "firehose"}


def refuse(message: str) -> AwsError:
    return AwsError("InvalidParameter", f"Invalid parameter: {message}")


def backend(account: str, region: str) -> Any:
    return sns_backends[account][region]


def subscribe(account: str, region: str, topic: str, protocol: str, endpoint: str) -> Any:
    """The subscription, pending if it is by mail and new."""
    if protocol not in PROTOCOLS:
        raise refuse("Does not support this protocol string: " + protocol)
    if protocol in BY_MAIL and not re.fullmatch(r"[^@\s]+@[^@\s]+\.[^@\s]+", endpoint):
        raise refuse("Email address")
    there = backend(account, region)
    known = set(there.subscriptions)
    found = there.subscribe(topic, endpoint, protocol)
    if found.arn not in known:
        found.attributes["PendingConfirmation"] = protocol in BY_MAIL
    return found


def is_pending(subscription: Any) -> bool:
    return bool(subscription.attributes.get("PendingConfirmation"))


class Orphans:
    """Pending subscriptions whose topic is gone. Nobody can delete them: "You can't delete a
    subscription that's pending confirmation. After 48 hours, Amazon SNS deletes the unconfirmed
    subscription": https://docs.aws.amazon.com/sns/latest/dg/sns-delete-subscription-topic.html
    """

    SECONDS = 48 * 3600.0

    def __init__(self, world: World, _: str, __: str) -> None:
        self.world = world
        self.left: list[Any] = []

    def add(self, subscription: Any) -> None:
        self.left.append(subscription)
        self.world.clock.after(self.SECONDS, lambda: self.left.remove(subscription))


def subscription_delete(world: World, account: str, region: str, arn: str) -> None:
    """Nothing happens to one that is pending."""
    known = backend(account, region).subscriptions
    if arn in known and not is_pending(known[arn]):
        del known[arn]


def topic_delete(world: World, account: str, region: str, arn: str) -> None:
    """A topic, if it is there, and its subscriptions but those that are pending."""
    there, orphans = backend(account, region), world.store(Orphans, account, region)
    for one in [s for s in there.subscriptions.values() if s.topic_arn == arn and is_pending(s)]:
        orphans.add(one)
    there.delete_topic(arn)


def confirm(world: World, account: str, endpoint: str) -> int:
    """All that wait for this address."""
    waiting = [s for regions in sns_backends[account].values()
               for s in regions.subscriptions.values() if s.endpoint == endpoint and is_pending(s)]
    for one in waiting:
        one.attributes["PendingConfirmation"] = False
    return len(waiting)


@ACTIONS.action("Subscribe")
def subscribe_action(call: Call) -> dict[str, Any]:
    given = call.input
    topic_get(call)
    found = subscribe(call.account, call.region, given["TopicArn"], given["Protocol"],
                      given.get("Endpoint", ""))
    hidden = is_pending(found) and not given.get("ReturnSubscriptionArn")
    return {"SubscriptionArn": "pending confirmation" if hidden else found.arn}


def topic_get(call: Call) -> None:
    if call.input["TopicArn"] not in backend(call.account, call.region).topics:
        raise AwsError("NotFound", "Topic does not exist", 404)


def show(one: Any) -> dict[str, Any]:
    return {"SubscriptionArn": "PendingConfirmation" if is_pending(one) else one.arn,
            "Owner": one.owner, "Protocol": one.protocol, "Endpoint": one.endpoint,
            "TopicArn": one.topic_arn}


def listed(call: Call, topic: str | None) -> dict[str, Any]:
    found = [s for s in backend(call.account, call.region).subscriptions.values()
             if topic is None or s.topic_arn == topic]
    if topic is None:
        orphans: Orphans = call.store(Orphans)
        found += orphans.left
    page, more = paged(found, call, "-", "NextToken", 100, 100, refuse)
    return {"Subscriptions": [show(s) for s in page], **more}


@ACTIONS.action("ListSubscriptions")
def list_subscriptions(call: Call) -> dict[str, Any]:
    return listed(call, None)


@ACTIONS.action("ListSubscriptionsByTopic")
def list_by_topic(call: Call) -> dict[str, Any]:
    topic_get(call)
    return listed(call, call.input["TopicArn"])


@ACTIONS.action("DeleteTopic")
def delete_topic(call: Call) -> dict[str, Any]:
    topic_delete(call.world, call.account, call.region, call.input["TopicArn"])
    return {}


@ACTIONS.action("Unsubscribe")
def unsubscribe(call: Call) -> Raw:
    """One that is pending cannot be taken back: hashicorp/terraform-provider-aws#8031."""
    arn = call.input["SubscriptionArn"]
    if arn.lower() in ("pending confirmation", "pendingconfirmation"):
        raise refuse("SubscriptionArn Reason: An ARN must have at least 6 elements, not 1")
    found = backend(call.account, call.region).subscriptions.get(arn)
    if found is not None and is_pending(found):
        raise refuse("This subscription is pending confirmation")
    return call.forward()
