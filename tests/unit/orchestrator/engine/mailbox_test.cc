// The mailbox alone: who comes first, who is refused, who is taken out.
#include "orchestrator/engine/mailbox.h"

#include <algorithm>
#include <deque>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace unwind {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;
using testing::UnorderedElementsAre;

constexpr std::size_t kBytesMax = 1 << 20;
const absl::Time kNow = absl::FromUnixSeconds(1'000'000);

EventMail Event(const std::string& id) { return {.saga_id = id, .event = Ticked{}}; }
RecoverMail Recovered(const std::string& id) {
  RecoverMail mail;
  mail.saga.id = id;
  return mail;
}
AttachMail Caller(const std::string& id, absl::Time answer_by = absl::InfiniteFuture()) {
  return {.saga_id = id, .waiter = {.answer_by = answer_by, .accepted = nullptr, .answered = [](const Progress&) {}}};
}

AskMail Operator(const std::string& id) {
  return {.saga_id = id, .event = CancelRequested{}, .seen_version = 0, .waiter = Caller(id).waiter};
}

std::vector<std::string> IdsOf(const std::deque<Mail>& mails) {
  std::vector<std::string> ids;
  for (const Mail& mail : mails) {
    if (const auto* const event = std::get_if<EventMail>(&mail)) ids.push_back(event->saga_id);
    if (const auto* const recovered = std::get_if<RecoverMail>(&mail)) ids.push_back(recovered->saga.id);
    if (const auto* const attach = std::get_if<AttachMail>(&mail)) ids.push_back(attach->saga_id);
    if (const auto* const ask = std::get_if<AskMail>(&mail)) ids.push_back(ask->saga_id);
  }
  return ids;
}

TEST(MailboxTest, EventsComeBeforeRecoveredSagasAndThoseBeforeCallers) {
  Mailbox mailbox(8, kBytesMax);
  mailbox.Post(Caller("caller"));
  mailbox.Post(Recovered("recovered"));
  mailbox.Post(Event("event"));
  EXPECT_THAT(IdsOf(mailbox.Drain()), ElementsAre("event", "recovered", "caller"));
  EXPECT_THAT(mailbox.Drain(), IsEmpty());
}

TEST(MailboxTest, ADrainIsBoundedAndWhatIsLeftComesNext) {
  Mailbox mailbox(2, kBytesMax);
  for (int i = 0; i < 3; ++i) mailbox.Post(Event(absl::StrCat(i)));
  EXPECT_THAT(IdsOf(mailbox.Drain()), ElementsAre("0", "1"));
  EXPECT_THAT(IdsOf(mailbox.Drain()), ElementsAre("2"));
}

TEST(MailboxTest, NoQueueStarvesAnother) {
  Mailbox mailbox(8, kBytesMax);
  for (int i = 0; i < 100; ++i) {
    mailbox.Post(Event("event"));
    mailbox.Post(Recovered("recovered"));
    mailbox.Post(Caller("caller"));
  }
  EXPECT_THAT(IdsOf(mailbox.Drain()),
              UnorderedElementsAre("event", "event", "event", "event", "recovered", "recovered", "caller", "caller"));
}

RecoverMail FollowerToStart(const std::string& id) {
  RecoverMail mail = Recovered(id);
  mail.due = DueFor::kStart;
  return mail;
}

// 900 of them are born in the middle of a sale.
TEST(MailboxTest, FollowersHaveWhatAllOthersLeaveAndOnePlaceAtLeast) {
  Mailbox mailbox(8, kBytesMax);
  for (int i = 0; i < 900; ++i) mailbox.Post(FollowerToStart("follower"));
  for (int i = 0; i < 10; ++i) mailbox.Post(Caller("caller"));
  EXPECT_FALSE(mailbox.has_recovered()) << "nobody waits until these are driven";
  const std::vector<std::string> first = IdsOf(mailbox.Drain());
  EXPECT_EQ(std::count(first.begin(), first.end(), "caller"), 8);
  EXPECT_EQ(std::count(first.begin(), first.end(), "follower"), 1);
  const std::vector<std::string> second = IdsOf(mailbox.Drain());
  EXPECT_EQ(std::count(second.begin(), second.end(), "caller"), 2);
  EXPECT_EQ(std::count(second.begin(), second.end(), "follower"), 6);
}

TEST(MailboxTest, WhatOneQueueDoesNotUseIsTheOthers) {
  Mailbox mailbox(8, kBytesMax);
  for (int i = 0; i < 100; ++i) mailbox.Post(Caller("caller"));
  EXPECT_THAT(mailbox.Drain(), SizeIs(8));
}

TEST(MailboxTest, ADrainIsBoundedByBytesToo) {
  Mailbox mailbox(8, 100);
  for (int i = 0; i < 4; ++i) {
    Replied reply;
    reply.reply = std::string(60, 'x');
    mailbox.Post(EventMail{.saga_id = absl::StrCat(i), .event = reply});
  }
  EXPECT_THAT(IdsOf(mailbox.Drain()), ElementsAre("0", "1"));
  EXPECT_THAT(IdsOf(mailbox.Drain()), ElementsAre("2", "3"));
}

TEST(MailboxTest, OperatorsAreServedInTheOrderInWhichTheyAsked) {
  Mailbox mailbox(1, kBytesMax);
  mailbox.Post(Operator("first"));
  mailbox.Post(Operator("second"));
  EXPECT_THAT(IdsOf(mailbox.Drain()), ElementsAre("first"));
  EXPECT_THAT(IdsOf(mailbox.Drain()), ElementsAre("second"));
}

TEST(MailboxTest, AnOperatorComesBeforeTheCallersHoweverMany) {
  Mailbox mailbox(2, kBytesMax);
  for (int i = 0; i < 10'000; ++i) mailbox.Post(Caller("caller"));
  mailbox.Post(Operator("operator"));
  mailbox.Post(Event("event"));
  EXPECT_THAT(IdsOf(mailbox.Drain()), ElementsAre("event", "operator"));
}

TEST(MailboxTest, OnlyCallersWhoseTimeIsUpAreTakenOut) {
  Mailbox mailbox(8, kBytesMax);
  mailbox.Post(Caller("stays", kNow + absl::Nanoseconds(1)));
  mailbox.Post(Caller("expired", kNow));
  mailbox.Post(Caller("waits for ever"));
  mailbox.Post(Event("event"));
  EXPECT_THAT(IdsOf(mailbox.TakeExpired(kNow)), ElementsAre("expired"));
  EXPECT_THAT(IdsOf(mailbox.TakeExpired(kNow)), IsEmpty());
  EXPECT_THAT(IdsOf(mailbox.Drain()), ElementsAre("event", "stays", "waits for ever"));
}

TEST(MailboxTest, ACallerIsTakenOutAlsoAfterAnotherWas) {
  Mailbox mailbox(8, kBytesMax);
  mailbox.Post(Caller("later", kNow + absl::Seconds(1)));
  mailbox.Post(Caller("first", kNow));
  EXPECT_THAT(IdsOf(mailbox.TakeExpired(kNow)), ElementsAre("first"));
  EXPECT_THAT(IdsOf(mailbox.TakeExpired(kNow + absl::Seconds(1))), ElementsAre("later"));
}

TEST(MailboxTest, WaitEndsWithMailAndWithStop) {
  Mailbox mailbox(8, kBytesMax);
  std::thread poster([&] { mailbox.Post(Event("event")); });
  EXPECT_TRUE(mailbox.Wait(absl::Minutes(1), true));
  poster.join();
  EXPECT_THAT(IdsOf(mailbox.Drain()), ElementsAre("event"));
  std::thread stopper([&] { mailbox.Stop(); });
  EXPECT_FALSE(mailbox.Wait(absl::Minutes(1), true));
  stopper.join();
  EXPECT_FALSE(mailbox.Wait(absl::ZeroDuration(), false));
}

TEST(MailboxTest, MailDoesNotWakeAShardThatReadsNone) {
  Mailbox mailbox(8, kBytesMax);
  mailbox.Post(Event("event"));
  EXPECT_TRUE(mailbox.Wait(absl::ZeroDuration(), false));
  EXPECT_THAT(IdsOf(mailbox.Drain()), ElementsAre("event"));
}

TEST(MailboxTest, WhoRecoversWaitsUntilNothingRecoveredIsLeft) {
  Mailbox mailbox(2, 1 << 20);
  EXPECT_TRUE(mailbox.AwaitRecovered(absl::ZeroDuration()));
  for (int i = 0; i < 3; ++i) mailbox.Post(RecoverMail{});
  mailbox.Drain();
  EXPECT_FALSE(mailbox.AwaitRecovered(absl::ZeroDuration()));
  std::thread drains([&] { mailbox.Drain(); });
  EXPECT_TRUE(mailbox.AwaitRecovered(absl::Minutes(1)));
  drains.join();
  mailbox.Post(RecoverMail{});
  std::thread stops([&] { mailbox.Stop(); });
  EXPECT_FALSE(mailbox.AwaitRecovered(absl::Minutes(1)));
  stops.join();
}

}  // namespace
}  // namespace unwind
