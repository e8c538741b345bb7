#include "order_svc/notification_kind.h"

#include "gtest/gtest.h"

namespace unwind::order {
namespace {

using Proto = ::shop::order::v1::Notification;

TEST(NotificationKind, EachOfTheProtoIsARowsAndBack) {
  const auto* const kinds = Proto::Kind_descriptor();
  for (int i = 0; i < kinds->value_count(); ++i) {
    const auto kind = static_cast<Proto::Kind>(kinds->value(i)->number());
    const auto read = ReadKind(kind);
    EXPECT_EQ(read.has_value(), kind != Proto::KIND_UNSPECIFIED) << kinds->value(i)->name();
    EXPECT_EQ(read ? WriteKind(*read) : Proto::KIND_UNSPECIFIED, kind);
  }
}

TEST(NotificationKind, OneThatIsNotKnownIsNone) {
  EXPECT_FALSE(ReadKind(static_cast<Proto::Kind>(77)).has_value());
  EXPECT_EQ(WriteKind(static_cast<Kind>(77)), Proto::KIND_UNSPECIFIED);  // of a newer program's row
}

}  // namespace
}  // namespace unwind::order
