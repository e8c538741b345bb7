#!/usr/bin/env python3
"""Writes the OpenAPI documents of the buyers' and of the operators' API, from unwind.protoset.

Everything stands in the protos: routes in google.api.http, limits in saga.v1.rules, words and errors in the comments,
whose "Errors:" names each reason after its code.
"""

import argparse
import json
import pathlib
import re
import sys

from google.protobuf import descriptor_pb2

from protos import Protos, is_repeated, message_path

DOCUMENTS = (
    (
        "openapi.json",
        "Unwind: the shop",
        "What a buyer may call. An order is placed once for its idempotency key, however often it is asked for.",
        (
            "shop.checkout.v1.CheckoutService",
            "shop.coupon.v1.CouponService",
            "shop.order.v1.OrderService",
            "shop.order.v1.CartService",
            "shop.order.v1.NotificationService",
            "shop.payment.v1.PaymentService",
            "shop.payment.v1.PaymentWebhookService",
            "shop.stock.v1.StockService",
            "shop.wallet.v1.WalletService",
        ),
    ),
    ("openapi_admin.json", "Unwind: sagas", "What an operator may call.", ("saga.v1.SagaService",)),
)
# google.rpc.Code to its number, and to the status that gateways make of it.
CODES = {
    "CANCELLED": (1, 499),
    "UNKNOWN": (2, 500),
    "INVALID_ARGUMENT": (3, 400),
    "DEADLINE_EXCEEDED": (4, 504),
    "NOT_FOUND": (5, 404),
    "ALREADY_EXISTS": (6, 409),
    "PERMISSION_DENIED": (7, 403),
    "RESOURCE_EXHAUSTED": (8, 429),
    "FAILED_PRECONDITION": (9, 400),
    "ABORTED": (10, 409),
    "OUT_OF_RANGE": (11, 400),
    "UNIMPLEMENTED": (12, 501),
    "INTERNAL": (13, 500),
    "UNAVAILABLE": (14, 503),
    "DATA_LOSS": (15, 500),
    "UNAUTHENTICATED": (16, 401),
}
IDENTIFIER = "[A-Za-z0-9_-]"
FIELD = descriptor_pb2.FieldDescriptorProto
NUMBERS = {FIELD.TYPE_INT32: "int32", FIELD.TYPE_UINT32: "int32", FIELD.TYPE_INT64: "int64", FIELD.TYPE_UINT64: "int64"}
ERROR_TYPES = {
    "ErrorInfo": {
        "reason": {"type": "string", "description": "What programs act on, such as STOCK_NOT_ENOUGH."},
        "domain": {"type": "string", "description": "Who says so; gateway.unwind: the gateway itself."},
        "metadata": {"type": "object", "additionalProperties": {"type": "string"}},
    },
    "BadRequest": {
        "fieldViolations": {
            "type": "array",
            "items": {
                "type": "object",
                "title": "FieldViolation",
                "required": ["field", "description"],
                "properties": {
                    "field": {"type": "string", "description": "Its name in the proto, such as items[0].product_id."},
                    "description": {"type": "string"},
                    "reason": {"type": "string"},
                },
            },
        }
    },
    "RetryInfo": {
        "retryDelay": {
            "type": "string",
            "pattern": r"^[0-9]+(\.[0-9]+)?s$",
            "description": "Call again, under the same key, after this long.",
        }
    },
}


def errors_of(comment, method):
    """Pairs of code and reason that the comment names after "Errors:"."""
    pairs, code = [], None
    for token in re.findall(r"[A-Z][A-Z_]{4,}[A-Z]|;", re.sub(r"\([^()]*\)", "", comment.partition("Errors:")[2])):
        if token == ";":
            code = None
        elif token in CODES:
            code = token
        elif code is None:
            sys.exit(f"openapi.py: {method}: the comment names {token} without its code before it")
        else:
            pairs.append((code, token))
    return pairs


class Document:
    def __init__(self, protos, title, description, services):
        self.protos = protos
        self.schemas = {}
        self.asked = set()  # messages that are part of a request
        self.paths = {}
        for name in services:
            service = protos.pool.FindServiceByName(name)
            for method in service.methods:
                rule = protos.option(method, protos.http)
                for number, each in enumerate((rule, *rule.additional_bindings) if rule else ()):
                    self.add(service, method, each, number)
        self.schemas["Error"] = error_schema()
        self.value = {
            "openapi": "3.0.3",
            "info": {"title": title, "description": description, "version": "v1"},
            "servers": [{"url": "/"}],
            "tags": [
                {"name": service.rpartition(".")[2], "description": self.service_comment(service)}
                for service in services
            ],
            "paths": self.paths,
            "components": {"schemas": dict(sorted(self.schemas.items()))},
        }

    def service_comment(self, name):
        service = self.protos.pool.FindServiceByName(name)
        return self.protos.comment(service.file, (6, service.index))

    def add(self, service, method, rule, number):
        verb = rule.WhichOneof("pattern")
        path = getattr(rule, verb)
        comment = self.protos.comment(service.file, (6, service.index, 2, method.index))
        in_path = re.findall(r"\{(\w+)\}", path)
        operation = {
            "operationId": f"{service.name}_{method.name}" + (f"_{number + 1}" if number else ""),
            "tags": [service.name],
            "summary": re.match(r"[^.:]*[.:]?", comment).group(0).rstrip(".:"),
            "description": comment,
            "parameters": [self.parameter(method.input_type.fields_by_name[name], "path") for name in in_path],
            "responses": self.responses(method, comment),
        }
        if verb == "get":
            operation["parameters"] += [
                self.parameter(field, "query") for field in method.input_type.fields if field.name not in in_path
            ]
        elif method.input_type.full_name == RAW:
            operation["requestBody"] = {"required": True, "content": json_of({"type": "object"})}
        else:
            operation["requestBody"] = {
                "required": bool(self.required(method.input_type, in_path)),
                "content": json_of(self.object(method.input_type, asked=True, without=in_path)),
            }
        if method.input_type.full_name == RAW:
            operation["parameters"].append(SIGNATURE)
        elif "request_id" in method.input_type.fields_by_name:
            operation["parameters"].append(KEY)
        elif service.full_name == "saga.v1.SagaService" and verb != "get":
            operation["parameters"].append(ASKED_FOR)
        elif verb != "get":
            operation["parameters"].append(OWN_KEY)
        self.paths.setdefault(re.sub(r"\{(\w+)\}", lambda m: "{" + camel(m.group(1)) + "}", path), {})[verb] = operation

    def parameter(self, field, place):
        schema = self.schema(field, asked=True)
        return {
            "name": field.json_name,
            "in": place,
            "required": place == "path",
            "description": schema.pop("description", ""),
            "schema": schema,
        }

    def responses(self, method, comment):
        found = {}
        for code, reason in [("INVALID_ARGUMENT", "INVALID_REQUEST"), *errors_of(comment, method.full_name)]:
            reasons = found.setdefault(str(CODES[code][1]), [])
            if reason not in reasons:
                reasons.append(reason)
        answers = {
            "200": {
                "description": self.protos.comment(method.output_type.file, message_path(method.output_type)),
                "content": json_of(self.reference(method.output_type, asked=False)),
            }
        }
        for status in sorted(found):
            answers[status] = {
                "description": ", ".join(found[status]),
                "x-reasons": found[status],
                "content": json_of(ERROR),
            }
        answers["default"] = {
            "description": "Anything else; what the gateway itself says has the domain gateway.unwind.",
            "content": json_of(ERROR),
        }
        return answers

    def reference(self, message, asked):
        name = message.full_name
        new = name not in self.schemas or asked and name not in self.asked
        if asked:
            self.asked.add(name)
        if new:
            self.schemas[name] = {}  # while its fields, which may be of its own type, are read
            self.schemas[name] = self.object(message, name in self.asked)
        return {"$ref": f"#/components/schemas/{name}"}

    def required(self, message, without):
        """Names of the fields that a request must have."""
        names = []
        for field in message.fields:
            rules = self.protos.option(field, self.protos.rules)
            if rules and (rules.required or rules.min > 0) and field.name not in without:
                names.append(field.json_name)
        return names

    def object(self, message, asked, without=()):
        fields = [field for field in message.fields if field.name not in without]
        schema = {
            "type": "object",
            "title": message.name,
            "properties": {f.json_name: self.schema(f, asked) for f in fields},
        }
        description = self.protos.comment(message.file, message_path(message))
        if description:
            schema["description"] = description
        # An answer has every field but those that are messages.
        required = (
            self.required(message, without)
            if asked
            else [f.json_name for f in fields if f.message_type is None or is_repeated(f)]
        )
        if required:
            schema["required"] = required
        return schema

    def schema(self, field, asked):
        rules = self.protos.option(field, self.protos.rules) or self.protos.no_rules
        comment = self.protos.comment(field.file, message_path(field.containing_type) + (2, field.index))
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            return {"type": "object", "additionalProperties": {"type": "string"}, "description": comment}
        one = self.one(field, rules, asked)
        if is_repeated(field):
            one = {"type": "array", "items": one, "minItems": 1 if asked and rules.required else 0}
            if rules.max_items:
                one["maxItems"] = rules.max_items
            if rules.unique_by:
                one["x-unique-by"] = camel(rules.unique_by)
        elif "$ref" in one:
            one = {"allOf": [one]}  # beside a $ref nothing else counts
        return {**one, "description": comment} if comment else one

    def one(self, field, rules, asked):
        """The schema of a field's value, or of one element."""
        if field.message_type is not None:
            return WELL_KNOWN.get(field.message_type.full_name) or self.reference(field.message_type, asked)
        if field.enum_type is not None:
            names = [
                value.name for value in field.enum_type.values if not (asked and rules.required and value.number == 0)
            ]
            return {"type": "string", "enum": names}
        if field.type in NUMBERS:
            return number(NUMBERS[field.type], rules)
        if field.type == FIELD.TYPE_BOOL:
            return {"type": "boolean"}
        if field.type in (FIELD.TYPE_DOUBLE, FIELD.TYPE_FLOAT):
            return {"type": "number", "format": "double"}
        text = {"type": "string"}
        if rules.identifier:
            text["pattern"] = f"^{IDENTIFIER}{{{1 if rules.required else 0},{rules.max_bytes or 64}}}$"
        elif rules.required:
            text["minLength"] = 1
        if rules.max_bytes:
            text["maxLength"] = rules.max_bytes
        return text


def number(kind, rules):
    """JSON has 64 bits as text (proto3), so that their limits are words of our own."""
    limits = {name: getattr(rules, of) for name, of in (("minimum", "min"), ("maximum", "max")) if rules.HasField(of)}
    if kind == "int32":
        return {"type": "integer", "format": kind, **limits}
    digits = "[0-9]" if limits.get("minimum", -1) >= 0 else "-?[0-9]"
    return {
        "type": "string",
        "format": kind,
        "pattern": f"^{digits}{{1,19}}$",
        **{f"x-{k}": v for k, v in limits.items()},
    }


def camel(name):
    return re.sub(r"_(\w)", lambda m: m.group(1).upper(), name)


def json_of(schema):
    return {"application/json": {"schema": schema}}


def error_schema():
    kinds = [
        {
            "type": "object",
            "title": name,
            "required": ["@type"],
            "properties": {"@type": {"type": "string", "enum": [f"type.googleapis.com/google.rpc.{name}"]}, **fields},
        }
        for name, fields in ERROR_TYPES.items()
    ]
    return {
        "type": "object",
        "title": "Error",
        "description": "A google.rpc.Status.",
        "required": ["code", "message", "details"],
        "properties": {
            "code": {
                "type": "integer",
                "format": "int32",
                "description": "google.rpc.Code.",
                "minimum": 1,
                "maximum": 16,
            },
            "message": {"type": "string", "description": "For people."},
            "details": {"type": "array", "items": {"anyOf": kinds}},
        },
    }


ERROR = {"$ref": "#/components/schemas/Error"}
WELL_KNOWN = {
    "google.protobuf.Timestamp": {"type": "string", "format": "date-time"},
    "google.protobuf.Any": {
        "type": "object",
        "required": ["@type"],
        "properties": {"@type": {"type": "string"}},
        "additionalProperties": True,
    },
}
KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "Names this call for good: repeated with the same key and body it has one effect, and one answer. "
    "Needed unless the body has requestId; with or without quotes; kept 30 days.",
    "schema": {"type": "string", "pattern": f'^"?{IDENTIFIER}{{1,64}}"?$'},
}
# Of a method that a service carries out itself: there is no request_id, and the key is taken as it stands.
RAW = "google.api.HttpBody"  # a body that is passed on as it stands
SIGNATURE = {
    "name": "Pg-Signature",
    "in": "header",
    "required": True,
    "description": "Proves who sends the body: t=UNIX,v1=HEX.",
    "schema": {"type": "string", "pattern": "^t=[0-9]{1,12},v1=[0-9a-f]{64}$"},
}
OWN_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": True,
    "description": "Names this call for good: repeated with the same key and body it has one effect, and one answer. "
    "Kept 30 days.",
    "schema": {"type": "string", "pattern": "^[ -~]{1,200}$"},
}
ASKED_FOR = {
    "name": "X-Requested-With",
    "in": "header",
    "required": True,
    "description": "Any value: a browser does not send it for another site's page.",
    "schema": {"type": "string", "minLength": 1},
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0], allow_abbrev=False)
    parser.add_argument("protoset", type=pathlib.Path, help="unwind.protoset")
    parser.add_argument("folder", type=pathlib.Path, help="where the documents go")
    options = parser.parse_args()
    protos = Protos(options.protoset)
    for name, title, description, services in DOCUMENTS:
        document = Document(protos, title, description, services).value
        (options.folder / name).write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
