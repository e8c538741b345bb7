"""The messages, options and comments of a descriptor set."""

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory


class Protos:
    def __init__(self, path):
        self.files = descriptor_pb2.FileDescriptorSet.FromString(path.read_bytes())
        self.pool = descriptor_pool.DescriptorPool()
        for file in self.files.file:
            self.pool.Add(file)
        self.http = self.extension("google.api.http")
        self.rules = self.extension("saga.v1.rules")
        self.no_rules = self.class_of(self.rules.message_type)()
        self.comments = {
            (file.name, tuple(place.path)): " ".join(place.leading_comments.split())
            for file in self.files.file
            for place in file.source_code_info.location
        }

    def class_of(self, message):
        """The class of a message, by protobuf 3 as by later ones."""
        if hasattr(message_factory, "GetMessageClass"):
            return message_factory.GetMessageClass(message)
        return message_factory.MessageFactory(self.pool).GetPrototype(message)

    def extension(self, name):
        extension = self.pool.FindExtensionByName(name)
        self.class_of(extension.message_type)
        extended = self.class_of(extension.containing_type)
        if hasattr(extended, "RegisterExtension"):
            extended.RegisterExtension(extension)
        return extension

    def option(self, descriptor, extension):
        """The option's value, or None."""
        options = self.class_of(extension.containing_type).FromString(descriptor.GetOptions().SerializeToString())
        return options.Extensions[extension] if options.HasExtension(extension) else None

    def comment(self, file, path):
        return self.comments.get((file.name, tuple(path)), "")


def message_path(message):
    """Where a message stands in its file's source information."""
    if message.containing_type is None:
        return (4, list(message.file.message_types_by_name).index(message.name))
    return message_path(message.containing_type) + (3, message.index)


def is_repeated(field):
    return field.is_repeated if hasattr(field, "is_repeated") else field.label == field.LABEL_REPEATED
