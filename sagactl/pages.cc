#include "sagactl/pages.h"

#include <algorithm>
#include <map>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "sagactl/text.h"
#include "sagactl/words.h"

namespace unwind::sagactl {
namespace {

constexpr int kPageSize = 100;  // far within the largest reply that a channel takes

std::string NameOf(saga::v1::Saga::State state) { return absl::AsciiStrToLower(Word(state)); }

}  // namespace

std::vector<std::string> StateNames() {
  std::vector<std::string> names;
  for (int state = saga::v1::Saga::State_MIN; state <= saga::v1::Saga::State_MAX; ++state) {
    if (state != saga::v1::Saga::STATE_UNSPECIFIED) names.push_back(NameOf(static_cast<saga::v1::Saga::State>(state)));
  }
  return names;
}

std::vector<std::string> UnfinishedStateNames() {
  std::vector<std::string> names;
  for (const saga::v1::Saga::State state : kUnfinished) names.push_back(NameOf(state));
  return names;
}

bool IsUnfinished(saga::v1::Saga::State state) {
  return std::find(std::begin(kUnfinished), std::end(kUnfinished), state) != std::end(kUnfinished);
}

saga::v1::Saga::State StateOf(absl::string_view name) {
  saga::v1::Saga::State state = saga::v1::Saga::STATE_UNSPECIFIED;
  saga::v1::Saga::State_Parse(absl::StrCat("STATE_", absl::AsciiStrToUpper(name)), &state);
  return state;
}

absl::Status ForEachSaga(Session& session, saga::v1::ListSagasRequest request,
                         const std::function<bool(const saga::v1::Saga&)>& take) {
  request.set_page_size(kPageSize);
  do {
    ASSIGN_OR_RETURN(const saga::v1::ListSagasResponse page, Call(session, &Stub::ListSagas, request));
    for (const saga::v1::UnreadableSaga& each : page.unreadable()) {
      session.err << "sagactl: saga " << Escaped(each.saga_id()) << " cannot be read: " << Escaped(each.reason())
                  << "\n";
    }
    for (const saga::v1::Saga& saga : page.sagas()) {
      if (!take(saga)) return absl::OkStatus();
    }
    request.set_page_token(page.next_page_token());
  } while (!request.page_token().empty());
  return absl::OkStatus();
}

absl::StatusOr<std::vector<saga::v1::Saga>> FindUnfinished(
    Session& session, saga::v1::ListSagasRequest request, const std::vector<saga::v1::Saga::State>& states,
    std::size_t most, const std::function<bool(const saga::v1::Saga&)>& is_wanted) {
  std::map<std::string, saga::v1::Saga, std::greater<>> seen;
  for (const saga::v1::Saga::State state : states) {
    std::size_t wanted = 0;
    request.set_state(state);
    RETURN_IF_ERROR(ForEachSaga(session, request, [&](const saga::v1::Saga& saga) {
      const auto known = seen.find(saga.saga_id());
      if (known == seen.end() && !is_wanted(saga)) return true;
      // Listed under another state before: it moved, and only its newest version counts.
      if (known == seen.end() || saga.version() > known->second.version()) seen[saga.saga_id()] = saga;
      return ++wanted < most;
    }));
  }
  std::vector<saga::v1::Saga> sagas;
  for (auto& [id, saga] : seen) {
    if (is_wanted(saga)) sagas.push_back(std::move(saga));
  }
  return sagas;
}

}  // namespace unwind::sagactl
