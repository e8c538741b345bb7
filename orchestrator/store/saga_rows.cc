#include "orchestrator/store/saga_rows.h"

#include <utility>

#include "orchestrator/store/stored_text.h"

namespace unwind {

void Append(SagaPage& page, const SagaRow& row) {
  page.last_id = DecodeText(row.id).value_or(row.id);
  absl::StatusOr<Saga> saga = DecodeSaga(row);
  if (saga.ok()) {
    page.sagas.push_back(*std::move(saga));
  } else {
    page.unreadable.push_back({page.last_id, std::string(saga.status().message())});
  }
}

SagaPage PageOf(const std::vector<SagaRow>& rows) {
  SagaPage page;
  page.sagas.reserve(rows.size());
  for (const SagaRow& row : rows) Append(page, row);
  return page;
}

}  // namespace unwind
