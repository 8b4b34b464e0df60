"""The messages of the kubelet's device plugin API v1beta1, as classes of the protobuf library.

Source of names and numbers: k8s.io/kubelet, pkg/apis/deviceplugin/v1beta1/api.proto at v0.36.3.
They are declared here in one table instead of a generated file; fields are numbered in their order.
Messages that this plugin neither sends nor reads are left out: protobuf skips unknown fields.
"""

from __future__ import annotations

from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

VERSION = "v1beta1"
PACKAGE = "v1beta1"
HEALTHY = "Healthy"
UNHEALTHY = "Unhealthy"

# A type with an asterisk repeats. A map is on the wire what a repeated pair of key and value is.
_MESSAGES = {
    "Empty": (),
    "DevicePluginOptions": ("bool pre_start_required", "bool get_preferred_allocation_available"),
    "RegisterRequest": (
        "string version",
        "string endpoint",
        "string resource_name",
        "DevicePluginOptions options",
    ),
    "Device": ("string ID", "string health"),
    "ListAndWatchResponse": ("Device* devices",),
    "PreStartContainerRequest": ("string* devices_ids",),
    "PreStartContainerResponse": (),
    "ContainerPreferredAllocationRequest": (
        "string* available_deviceIDs",
        "string* must_include_deviceIDs",
        "int32 allocation_size",
    ),
    "PreferredAllocationRequest": ("ContainerPreferredAllocationRequest* container_requests",),
    "ContainerPreferredAllocationResponse": ("string* deviceIDs",),
    "PreferredAllocationResponse": ("ContainerPreferredAllocationResponse* container_responses",),
    "ContainerAllocateRequest": ("string* devices_ids",),
    "AllocateRequest": ("ContainerAllocateRequest* container_requests",),
    "Pair": ("string key", "string value"),
    "ContainerAllocateResponse": ("Pair* envs",),
    "AllocateResponse": ("ContainerAllocateResponse* container_responses",),
}
_Field = descriptor_pb2.FieldDescriptorProto
_SCALARS = {"string": _Field.TYPE_STRING, "bool": _Field.TYPE_BOOL, "int32": _Field.TYPE_INT32}


def message(name: str) -> Any:
    """Return the class of a message."""
    return message_factory.GetMessageClass(_POOL.FindMessageTypeByName(f"{PACKAGE}.{name}"))


def _field(number: int, declared: str) -> descriptor_pb2.FieldDescriptorProto:
    type_, name = declared.split()
    kind = type_.removesuffix("*")
    field = _Field(name=name, number=number)
    field.label = _Field.LABEL_REPEATED if type_ != kind else _Field.LABEL_OPTIONAL
    if kind in _SCALARS:
        field.type = _SCALARS[kind]
    else:
        field.type, field.type_name = _Field.TYPE_MESSAGE, f".{PACKAGE}.{kind}"
    return field


def _pool() -> descriptor_pool.DescriptorPool:
    file = descriptor_pb2.FileDescriptorProto(
        name="fakenpu/deviceplugin.proto", package=PACKAGE, syntax="proto3"
    )
    for name, fields in _MESSAGES.items():
        declared = file.message_type.add(name=name)
        declared.field.extend(_field(number, text) for number, text in enumerate(fields, 1))
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return pool


_POOL = _pool()
