// Definitions that follow others: what they may read of a parent, and how that reaches them when the parent ends, which
// is done by bytes and numbers alone.
#include <gmock/gmock.h>

#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "orchestrator/definition/field_copy.h"
#include "orchestrator/definition/follower_copies.h"
#include "orchestrator/definition/parent_type.h"
#include "tests/unit/orchestrator/definition/definition_files.h"

namespace unwind {
namespace {

using testing::AllOf;
using testing::HasSubstr;

using Definitions = std::vector<std::shared_ptr<const Definition>>;

// A saga of lab.proto with a reply of every type.
constexpr char kParent[] = R"(saga: make-all
version: 1
serves: lab.v1.Lab/Run
steps:
  - name: copy
    action: lab.v1.Parts/Copy
    request: { text: input.coupon }
    compensation: none
  - name: make
    action: lab.v1.Parts/Make
    request: { id: saga.id }
    compensation: none
    when: input.coupon
response: { id: saga.id }
)";

std::shared_ptr<const Definition> Parent(const std::vector<std::pair<const char*, const char*>>& changes = {}) {
  std::string yaml = kParent;
  for (const auto& [from, to] : changes) {
    EXPECT_THAT(yaml, HasSubstr(from));
    yaml = absl::StrReplaceAll(yaml, {{from, to}});
  }
  return LoadText(yaml);
}

// A file that follows make-all and sends one call: its head and its request.
std::string FollowerYaml(const std::string& request, const std::string& head = "follows: [make-all]\non: completed") {
  return absl::StrCat(
      "saga: after\nversion: 1\n", head,
      "\nsteps:\n  - name: keep\n    kind: retriable\n    action: lab.v1.Parts/Copy\n    request: ", request, "\n");
}

absl::StatusOr<std::shared_ptr<const Definition>> LoadFollower(const std::string& yaml, const Definitions& parents) {
  return LoadDefinition("after.yaml", yaml, AllDescriptors(), Origin::kFile, parents);
}

std::shared_ptr<const Definition> GoodFollower(const std::string& yaml, const Definitions& parents) {
  auto loaded = LoadFollower(yaml, parents);
  EXPECT_EQ(loaded.status(), absl::OkStatus());
  return loaded.ok() ? *loaded : nullptr;
}

std::string Refused(const std::string& yaml, const Definitions& parents = {Parent()}) {
  const auto loaded = LoadFollower(yaml, parents);
  EXPECT_FALSE(loaded.ok());
  return std::string(loaded.status().message());
}

// What the end of `parent` gives the follower, as engine/births.cc does it.
Saga Child(const Definition& follower, const Definition& parent, const Saga& ended, const std::string& facts = "") {
  const Follower row = FollowerOf(follower, parent);
  EXPECT_EQ(row.why_not_built, "");
  Saga child = NewSaga(follower);
  for (const FollowerCopy& copy : row.copies) {
    const std::string& root = copy.root == kParentInput   ? ended.input
                              : copy.root == kParentFacts ? facts
                                                          : ended.steps[static_cast<std::size_t>(copy.root)].reply;
    EXPECT_TRUE(CopyFieldBytes(root, copy.source, copy.target, child.input));
  }
  return child;
}

constexpr char kEverything[] =
    "text: 'a' raw: 'b' yes: true small: -4 big: -5 small_positive: 6 big_positive: 7 rough: 8 fine: 9 color: "
    "PART_COLOR_RED"
    " size: SIZE_LARGE part { name: 'p' weight: 3 } words: 'w1' words: 'w2' parts { name: 'q' } counts { key: 'c' "
    "value: 1 }"
    " named { key: 'n' value { name: 'r' } } maybe: 0 by_number: 19 pause { seconds: 20 } numbers: 21 numbers: 22"
    " colors: PART_COLOR_BLUE flags: true fractions: 1 rough_fractions: 2 positives: 3 big_positives: 4 bigs: 5";

TEST(FollowerDefinition, CopiesFieldsOfEveryTypeFromInputAndReplies) {
  std::vector<std::string> fields;
  const auto* type = AllDescriptors()->pool().FindMessageTypeByName("lab.v1.Everything");
  for (int i = 0; i < type->field_count(); ++i) fields.push_back(type->field(i)->name());
  for (const char* root : {"parent.input.all", "parent.copy"}) {
    std::vector<std::string> request;
    for (const std::string& field : fields) {
      if (field != "by_name") request.push_back(absl::StrCat(field, ": ", root, ".", field));
    }
    const auto parent = Parent();
    const auto follower = GoodFollower(FollowerYaml(absl::StrCat("{ ", absl::StrJoin(request, ", "), " }")), {parent});
    Texts texts;
    Saga ended = NewSaga(*parent);
    ended.input = texts.Bytes("lab.v1.RunRequest", absl::StrCat("all { ", kEverything, " }"));
    ended.steps[0].reply = texts.Bytes("lab.v1.Everything", kEverything);
    const Saga child = Child(*follower, *parent, ended);
    EXPECT_EQ(texts.Text("lab.v1.Everything", follower->Request(child, 0, Phase::kAction).value()),
              texts.Text("lab.v1.Everything", ended.steps[0].reply));
  }
}

TEST(FollowerDefinition, CopiesWholeMessagesAndWhatIsInThemToo) {
  const auto parent = Parent();
  const auto follower = GoodFollower(
      FollowerYaml("{ part: parent.input.all.part, text: parent.input.all.part.name, parts: parent.copy.parts }"),
      {parent});
  Texts texts;
  Saga ended = NewSaga(*parent);
  ended.input = texts.Bytes("lab.v1.RunRequest", "all { part { name: 'p' weight: 3 } }");
  ended.steps[0].reply = texts.Bytes("lab.v1.Everything", "parts { name: 'q' } parts { weight: 4 }");
  const Saga child = Child(*follower, *parent, ended);
  EXPECT_EQ(texts.Text("lab.v1.Everything", follower->Request(child, 0, Phase::kAction).value()),
            "text: \"p\" part { name: \"p\" weight: 3 } parts { name: \"q\" } parts { weight: 4 }");
}

TEST(FollowerDefinition, OnlyWhatItsPathsNameIsCopied) {
  const auto parent = Parent();
  const auto follower = GoodFollower(FollowerYaml("{ text: parent.input.coupon }"), {parent});
  Texts texts;
  Saga ended = NewSaga(*parent);
  ended.input = texts.Bytes("lab.v1.RunRequest", absl::StrCat("coupon: 'c' request_id: 'r' all { ", kEverything, " }"));
  EXPECT_LT(Child(*follower, *parent, ended).input.size(), 10u);
}

TEST(FollowerDefinition, ReadsTheIdAndTheFailureOfItsParent) {
  const auto parent = Parent();
  const auto follower = GoodFollower(
      FollowerYaml("{ text: parent.id, words: parent.input.all.words, part: { name: parent.failure.reason } }",
                   "follows: [make-all]\non: { aborted: [OUT_OF_PARTS, NO_MAKER] }"),
      {parent});
  EXPECT_EQ(follower->follows()->on, SagaState::kAborted);
  EXPECT_THAT(follower->follows()->reasons, testing::ElementsAre("OUT_OF_PARTS", "NO_MAKER"));
  std::string facts, failure;
  AppendField(static_cast<int>(ParentFact::kId), "p-1", facts);
  AppendField(static_cast<int>(ParentFailure::kReason), "OUT_OF_PARTS", failure);
  AppendField(static_cast<int>(ParentFact::kFailure), failure, facts);
  const Saga child = Child(*follower, *parent, NewSaga(*parent), facts);
  Texts texts;
  EXPECT_EQ(texts.Text("lab.v1.Everything", follower->Request(child, 0, Phase::kAction).value()),
            "text: \"p-1\" part { name: \"OUT_OF_PARTS\" }");
}

// It answers nobody, and nobody calls it.
TEST(FollowerDefinition, ServesNothingAndFollowsTheOthers) {
  const auto parent = Parent();
  const auto follower = GoodFollower(FollowerYaml("{ text: parent.id }"), {parent});
  EXPECT_EQ(follower->serves(), nullptr);
  EXPECT_THAT(follower->follows()->parents, testing::ElementsAre("make-all"));
  EXPECT_EQ(follower->follows()->place, "after.yaml:3");
  EXPECT_EQ(parent->follows(), nullptr);
  EXPECT_EQ(*follower->Response(NewSaga(*follower)), "");
  EXPECT_NE(follower->NewInput(), nullptr);
}

// It follows both ways to order, where what it reads is of the same type.
TEST(FollowerDefinition, FollowsSeveralAndReadsWhatAllHave) {
  const auto one = Parent();
  const auto two = Parent({{"make-all", "make-again"}, {"Lab/Run", "Lab/Rerun"}});
  const std::string both = "follows: [make-all, make-again]\non: completed";
  const auto follower = GoodFollower(FollowerYaml("{ text: parent.input.coupon }", both), {one, two});
  for (const auto& parent : {one, two}) {
    const Follower row = FollowerOf(*follower, *parent);
    EXPECT_EQ(row.parent.name, parent->plan().name);
    EXPECT_EQ(row.why_not_built, "");
    EXPECT_THAT(row.copies, testing::ElementsAre(FollowerCopy{kParentInput, {3}, {1, 1}}));
  }
  const auto other = Parent({{"make-all", "make-again"}, {"name: copy", "name: copied"}});
  EXPECT_THAT(Refused(FollowerYaml("{ text: parent.copy.text }", both), {one, other}),
              HasSubstr("after.yaml:9: 'parent.copy.text': version 1 of saga 'make-again' has no step 'copy'; read "
                        "what every saga has that is followed"));
  const auto shop = LoadShop("place_order.yaml");
  EXPECT_THAT(Refused(FollowerYaml("{ text: parent.input.request_id, part: parent.make }",
                                   "follows: [make-all, place-order]\non: completed"),
                      {one, shop}),
              HasSubstr("version 2 of saga 'place-order' has no step 'make'"));
}

// A step that is read only if it ran may also be missing.
TEST(FollowerDefinition, AStepThatOnlySomeHaveIsAsOneThatHasNotRun) {
  const auto one = Parent();
  const auto two = Parent({{"make-all", "make-again"}, {"Lab/Run", "Lab/Rerun"}, {"name: copy", "name: copied"}});
  const std::string both = "follows: [make-all, make-again]\non: completed";
  const auto follower = GoodFollower(
      FollowerYaml("{ text: { first_of: [parent.copy.text, parent.copied.text, parent.input.coupon] } }", both),
      {one, two});
  Texts texts;
  for (const auto& parent : {one, two}) {
    Saga ended = NewSaga(*parent);
    ended.input = texts.Bytes("lab.v1.RunRequest", "coupon: 'c'");
    Saga child = Child(*follower, *parent, ended);
    EXPECT_EQ(texts.Text("lab.v1.Everything", follower->Request(child, 0, Phase::kAction).value()), "text: \"c\"");
    ended.steps[0].reply = texts.Bytes("lab.v1.Everything", absl::StrCat("text: '", parent->plan().name, "'"));
    child = Child(*follower, *parent, ended);
    EXPECT_EQ(texts.Text("lab.v1.Everything", follower->Request(child, 0, Phase::kAction).value()),
              absl::StrCat("text: \"", parent->plan().name, "\""));
  }
  EXPECT_THAT(Refused(FollowerYaml("{ text: { first_of: [parent.copyd.text] } }", both), {one, two}),
              HasSubstr("version 1 of saga 'make-all' has no step 'copyd'; did you mean 'copy'?"))
      << "none of them has it";
  EXPECT_THAT(Refused(FollowerYaml("{ text: { first_of: [parent.copy.txt] } }", both), {one, two}),
              HasSubstr("has no field 'txt'"));
  EXPECT_THAT(
      Refused(FollowerYaml("{ text: parent.copy.text, raw: { first_of: [parent.copy.raw] } }", both), {one, two}),
      HasSubstr("version 1 of saga 'make-again' has no step 'copy'"))
      << "it is read elsewhere as if it were always there";
}

TEST(FollowerDefinition, AStepThatAnOlderVersionLacksIsAsOneThatHasNotRun) {
  const auto older = Parent({{"name: make", "name: build"}});
  const auto newer = Parent({{"version: 1", "version: 2"}});
  const std::string when = "{ text: parent.make.part_id }\n    when: parent.make.part_id";
  for (const std::string& request : {std::string("{ text: { first_of: [parent.make.part_id] } }"), when}) {
    const auto follower = GoodFollower(FollowerYaml(request), {newer});
    EXPECT_EQ(FollowerOf(*follower, *older).why_not_built, "") << request;
    EXPECT_THAT(FollowerOf(*follower, *older).copies, testing::IsEmpty());
    EXPECT_EQ(FollowerOf(*follower, *newer).copies.size(), 1u);
    const auto stored =
        LoadDefinition("stored", follower->yaml(), SetOf("stored", follower->descriptors()), Origin::kStored);
    ASSERT_EQ(stored.status(), absl::OkStatus());
    EXPECT_EQ(FollowerOf(**stored, *older), FollowerOf(*follower, *older));
  }
}

TEST(FollowerDefinition, FollowsAFollower) {
  const auto parent = Parent();
  const auto first = GoodFollower(FollowerYaml("{ text: parent.id }"), {parent});
  const std::string head = "follows: [after]\non: completed";
  const std::string yaml =
      absl::StrReplaceAll(FollowerYaml("{ text: parent.keep.text }", head), {{"saga: after", "saga: last"}});
  EXPECT_NE(GoodFollower(yaml, {parent, first}), nullptr);
  EXPECT_THAT(Refused(absl::StrReplaceAll(yaml, {{"keep.text", "input.text"}}), {parent, first}),
              HasSubstr("version 1 of saga 'after' follows another saga and has no input"));
}

// What the next version of a parent lacks is said when that is loaded, and no end fails for it.
TEST(FollowerDefinition, SaysWhatAVersionOfItsParentLacks) {
  const auto follower = GoodFollower(FollowerYaml("{ text: parent.copy.text, small: parent.copy.small }"), {Parent()});
  const auto renamed = Parent({{"version: 1", "version: 2"}, {"name: copy", "name: copied"}});
  EXPECT_EQ(FollowerOf(*follower, *renamed).why_not_built, "version 2 of saga 'make-all' has no step 'copy'");
  const auto other = Parent(
      {{"version: 1", "version: 3"},
       {"lab.v1.Parts/Copy\n    request: { text: input.coupon }", "lab.v1.Parts/Make\n    request: { id: saga.id }"}});
  EXPECT_EQ(FollowerOf(*follower, *other).why_not_built,
            "lab.v1.MakeResponse of version 3 of saga 'make-all' has no field 'small'");
  EXPECT_EQ(FollowerOf(*follower, *other).parent, (DefinitionVersion{"make-all", 3}));
  const auto typed = GoodFollower(FollowerYaml("{ big: { first_of: [parent.make.weight] } }"), {Parent()});
  const auto retyped = Parent({{"version: 1", "version: 4"},
                               {"name: make\n    action: lab.v1.Parts/Make\n    request: { id: saga.id }",
                                "name: make\n    action: lab.v1.Parts/Copy\n    request: {}"}});
  EXPECT_EQ(FollowerOf(*typed, *retyped).why_not_built,
            "lab.v1.Everything of version 4 of saga 'make-all' has no field 'weight'");
}

// Stored with what it needs: an instance that learns it from the database does not have the parent's file.
TEST(FollowerDefinition, LoadsAsItWasStoredWithoutItsParent) {
  const auto parent = Parent();
  const auto follower = GoodFollower(FollowerYaml("{ text: parent.input.coupon, maybe: parent.copy.maybe }"), {parent});
  const auto set = SetOf("stored", follower->descriptors());
  const auto stored = LoadDefinition("stored", follower->yaml(), set, Origin::kStored);
  ASSERT_EQ(stored.status(), absl::OkStatus());
  EXPECT_EQ((*stored)->hash(), follower->hash());
  EXPECT_EQ(FollowerOf(**stored, *parent), FollowerOf(*follower, *parent));
  EXPECT_EQ((*stored)->descriptors(), follower->descriptors());
}

TEST(FollowerDefinition, MeansTheSameBesideAnotherVersionOfItsParent) {
  const std::string yaml = FollowerYaml("{ text: parent.input.coupon }");
  const auto before = GoodFollower(yaml, {Parent()});
  const auto after = GoodFollower(yaml, {Parent({{"version: 1", "version: 2"}, {"name: copy", "name: copied"}})});
  EXPECT_EQ(before->hash(), after->hash());
  EXPECT_NE(before->hash(), GoodFollower(FollowerYaml("{ text: parent.id }"), {Parent()})->hash());
}

TEST(FollowerDefinition, AStepThatMayNotHaveRunIsReadByFirstOf) {
  EXPECT_THAT(
      Refused(FollowerYaml("{ text: parent.make.part_id }")),
      HasSubstr("after.yaml:9: the request of step 'keep' reads 'parent.make.part_id', but the step may be skipped"));
  EXPECT_NE(GoodFollower(FollowerYaml("{ text: { first_of: [parent.make.part_id, \"none\"] } }"), {Parent()}), nullptr);
  EXPECT_THAT(Refused(FollowerYaml("{ text: parent.copy.text }", "follows: [make-all]\non: aborted")),
              HasSubstr("but the step may be skipped"))
      << "a saga that goes back may not have come to it";
}

TEST(FollowerDefinition, WhatIsWrongIsSaidWithItsLine) {
  EXPECT_THAT(
      Refused(FollowerYaml("{ text: parent.input.cupon }")),
      HasSubstr("after.yaml:9: 'parent.input.cupon': lab.v1.RunRequest of version 1 of saga 'make-all' has no field "
                "'cupon'; did you mean 'coupon'?"));
  EXPECT_THAT(Refused(FollowerYaml("{ text: parent.input.all.parts.name }")),
              HasSubstr("after.yaml:9: 'parent.input.all.parts.name': "));
  EXPECT_THAT(Refused(FollowerYaml("{ text: parent.input.coupon.x }")),
              HasSubstr("after.yaml:9: 'parent.input.coupon.x': "));
  EXPECT_THAT(Refused(FollowerYaml("{ small: parent.input.coupon }")),
              HasSubstr("after.yaml:9: 'parent.input.coupon' is string, but 'small' is int32"));
  EXPECT_THAT(
      Refused(FollowerYaml("{ text: parent.failure.reason }")),
      HasSubstr("after.yaml:9: 'parent.failure.reason' is read of a saga that completed, which has not failed"));
  EXPECT_THAT(Refused(FollowerYaml("{ text: parent.failure.why }", "follows: [make-all]\non: aborted")),
              HasSubstr("after.yaml:9: there is no 'parent.failure.why'; a failure has reason"));
  EXPECT_THAT(Refused(FollowerYaml("{ text: input.coupon }")),
              HasSubstr("after.yaml:9: 'input.coupon' looks like a path, but there is no step 'input'"));
  EXPECT_THAT(Refused(FollowerYaml("{ text: parent.id }", "follows: [make-al]\non: completed")),
              HasSubstr("after.yaml:3: there is no saga 'make-al' to follow; did you mean 'make-all'?"));
  EXPECT_THAT(Refused(FollowerYaml("{}", "follows: [after]\non: completed")),
              HasSubstr("after.yaml:3: saga 'after' follows itself"));
  EXPECT_THAT(Refused(FollowerYaml("{}", "follows: [make-all, make-all]\non: completed")),
              HasSubstr("after.yaml:3: 'follows' names 'make-all' twice"));
  EXPECT_THAT(Refused(FollowerYaml("{}", "follows: []\non: completed")),
              HasSubstr("after.yaml:3: 'follows' names no saga"));
  EXPECT_THAT(Refused(FollowerYaml("{}", "follows: make-all\non: completed")),
              HasSubstr("after.yaml:3: 'follows' must be a list"));
  EXPECT_THAT(Refused(FollowerYaml("{}", "follows: [make-all]")),
              HasSubstr("after.yaml:1: a definition that follows another needs 'on'"));
  EXPECT_THAT(Refused(FollowerYaml("{}", "follows: [make-all]\non: done")),
              HasSubstr("after.yaml:4: 'done' is not how a saga ends"));
  EXPECT_THAT(Refused(FollowerYaml("{}", "follows: [make-all]\non: { aborted: [] }")),
              HasSubstr("after.yaml:4: 'aborted' names no reason"));
  EXPECT_THAT(Refused(FollowerYaml("{}", "follows: [make-all]\non: { aborted: [no] }")),
              HasSubstr("after.yaml:4: 'no' is not a reason"));
  EXPECT_THAT(Refused(FollowerYaml("{}", "follows: [make-all]\non: { done: [NO] }")),
              HasSubstr("after.yaml:4: on has no key 'done'"));
  EXPECT_THAT(Refused(absl::StrReplaceAll(FollowerYaml("{}"), {{"name: keep", "name: parent"}})),
              HasSubstr("after.yaml:6: a step cannot be called 'parent' here"));
}

TEST(FollowerDefinition, WhatSpeaksToACallerHasNoPlaceInIt) {
  const std::string said = Refused(absl::StrCat(
      FollowerYaml("{}",
                   "follows: [make-all]\non: completed\nserves: lab.v1.Lab/Rerun\nkey: parent.id\nkey_required: true\n"
                   "answer: { at: decided }"),
      "response: {}\nerrors: { NO: ABORTED }\n"));
  for (const auto& [line, key] : {std::pair(5, "serves"), std::pair(6, "key"), std::pair(7, "key_required"),
                                  std::pair(8, "answer"), std::pair(14, "response"), std::pair(15, "errors")}) {
    EXPECT_THAT(said,
                HasSubstr(absl::StrCat("after.yaml:", line, ": '", key, "' stands in a definition with 'follows'")));
  }
}

// To follow no more is a version of its own: what an older instance brings does not undo it.
TEST(FollowerDefinition, MayFollowNoMore) {
  const auto parent = Parent();
  const auto follower = GoodFollower(FollowerYaml("{ text: parent.copy.text, part: { name: parent.failure.reason } }",
                                                  "follows: [make-all]\non: never"),
                                     {parent});
  EXPECT_EQ(follower->follows()->on, SagaState::kRunning);
  EXPECT_EQ(FollowerOf(*follower, *parent).on, SagaState::kRunning);
}

TEST(FollowerDefinition, TheShopsOrderMayBeFollowed) {
  const auto parent = LoadShop("place_order.yaml");
  const auto follower = GoodFollower(
      "saga: after-order\nversion: 1\nfollows: [place-order]\non: completed\ndeadline: 1m\nsteps:\n"
      "  - name: release\n    kind: retriable\n    action: shop.stock.v1.StockService/Reserve\n"
      "    request: { reservation_id: parent.id, items: parent.input.items }\n"
      "    metadata: { x-member: parent.input.member_id }\n    when: parent.charge.payment_id\n",
      {parent});
  ASSERT_NE(follower, nullptr);
  EXPECT_TRUE(follower->warnings().empty()) << absl::StrJoin(follower->warnings(), "\n");
  Texts texts;
  Saga ended = NewSaga(*parent);
  ended.input =
      texts.Bytes("shop.checkout.v1.PlaceOrderRequest", "member_id: 'kim' items { product_id: 'lamp' quantity: 2 }");
  Saga child = Child(*follower, *parent, ended);
  EXPECT_FALSE(follower->plan().steps[0].when(child));
  ended.steps[4].reply = texts.Bytes("shop.payment.v1.ChargeResponse", "payment_id: 'p'");
  child = Child(*follower, *parent, ended);
  EXPECT_TRUE(follower->plan().steps[0].when(child));
  EXPECT_EQ(texts.Text("shop.stock.v1.ReserveRequest", follower->Request(child, 0, Phase::kAction).value()),
            "items { product_id: \"lamp\" quantity: 2 }")
      << "no facts were given to it here";
  EXPECT_EQ(follower->Metadata(child, 0)->at(0), (std::pair<std::string, std::string>{"x-member", "kim"}));
}

// What earns points is what was charged, as the last of those who hold something says it.
TEST(FollowerDefinition, TheShopsOrdersEarnByWhatWasCharged) {
  const auto parent = LoadShop("place_order.yaml");
  const auto follower = LoadShopFollower("after_order.yaml");
  ASSERT_NE(follower, nullptr);
  Texts texts;
  Saga ended = NewSaga(*parent);
  const auto paid = [&] {
    const Saga child = Child(*follower, *parent, ended);
    return texts.Text("shop.wallet.v1.EarnRequest", follower->Request(child, 0, Phase::kAction).value());
  };
  ended.steps[1].reply = texts.Bytes("shop.stock.v1.ReserveResponse", "total { minor_units: 9 currency_code: 'KRW' }");
  EXPECT_EQ(paid(), "paid { minor_units: 9 currency_code: \"KRW\" }");
  ended.steps[2].reply = texts.Bytes("shop.coupon.v1.HoldResponse", "due { minor_units: 8 currency_code: 'KRW' }");
  EXPECT_EQ(paid(), "paid { minor_units: 8 currency_code: \"KRW\" }");
  ended.steps[3].reply = texts.Bytes("shop.wallet.v1.HoldResponse", "due { currency_code: 'KRW' }");
  EXPECT_EQ(paid(), "paid { currency_code: \"KRW\" }");
}

// Orders of version 1, which knew no coupons and wallets, end after the release that brought these.
TEST(FollowerDefinition, TheShopsOrdersOfVersionOneAreFollowedToo) {
  const auto loaded =
      LoadDefinition("place_order.yaml", ReadWhole(absl::StrCat(SAGAS_BEFORE, "/place_order.yaml")), AllDescriptors());
  ASSERT_EQ(loaded.status(), absl::OkStatus());
  const auto& parent = *loaded;
  ASSERT_EQ(parent->plan().version, 1);
  for (const char* name : {"after_order.yaml", "after_sold_out.yaml"}) {
    EXPECT_EQ(FollowerOf(*LoadShopFollower(name), *parent).why_not_built, "") << name;
  }
  const auto follower = LoadShopFollower("after_order.yaml");
  Texts texts;
  Saga ended = NewSaga(*parent);
  ended.steps[1].reply = texts.Bytes("shop.stock.v1.ReserveResponse", "total { minor_units: 9 currency_code: 'KRW' }");
  const Saga child = Child(*follower, *parent, ended);
  EXPECT_EQ(texts.Text("shop.wallet.v1.EarnRequest", follower->Request(child, 0, Phase::kAction).value()),
            "paid { minor_units: 9 currency_code: \"KRW\" }");
}

TEST(FollowerDefinition, ParentsAreNamedByTheTextAlone) {
  EXPECT_THAT(ParentsNamedIn("follows: [a, b]\nsteps: {"), testing::IsEmpty());
  EXPECT_THAT(ParentsNamedIn("follows: [a, b]\nsteps: 3"), testing::ElementsAre("a", "b"));
  EXPECT_THAT(ParentsNamedIn("saga: a"), testing::IsEmpty());
}

}  // namespace
}  // namespace unwind
