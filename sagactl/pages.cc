#include "sagactl/pages.h"

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "sagactl/text.h"
#include "sagactl/words.h"

namespace unwind::sagactl {
namespace {

constexpr int kPageSize = 100;  // far within the largest reply that a channel takes

}  // namespace

std::vector<std::string> StateNames() {
  std::vector<std::string> names;
  for (int state = saga::v1::Saga::State_MIN; state <= saga::v1::Saga::State_MAX; ++state) {
    if (state == saga::v1::Saga::STATE_UNSPECIFIED) continue;
    names.push_back(absl::AsciiStrToLower(Word(static_cast<saga::v1::Saga::State>(state))));
  }
  return names;
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

}  // namespace unwind::sagactl
