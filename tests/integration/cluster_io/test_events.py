"""Events as a real API server takes them."""

from kwatt.cluster.events import Events, Posted, Subject
from kwatt.cluster.paths import EVENTS


async def test_an_event_is_taken_and_counted(client, namespace):
    subject = Subject("v1", "ConfigMap", namespace, "c", "uid-1")
    events = Events(client)

    outcomes = [await events.post(subject, "Warning", "Unplaced", "전력 부족") for _ in range(2)]

    (event,) = (await client.get(EVENTS.within(namespace)))["items"]
    assert outcomes == [Posted(1), Posted(2)]
    assert (event["count"], event["message"]) == (2, "전력 부족")


async def test_an_event_of_a_cluster_wide_object_is_taken(client):
    subject = Subject("kwatt.dev/v1alpha1", "PowerBudget", "", "rack-a1", "uid-2")

    assert await Events(client).post(subject, "Warning", "Exceeded", "by 140 W") == Posted(1)
