// A saga that follows orders and that the stock counts.
#ifndef UNWIND_TESTS_CRASH_SECOND_PIECE_H_
#define UNWIND_TESTS_CRASH_SECOND_PIECE_H_

namespace unwind {

// Takes a second piece of what was ordered, so that the shelf shows how often it ran.
inline constexpr char kSecondPiece[] = R"(saga: second-piece
version: 1
follows: [place-order]
on: completed
steps:
  - name: hold
    kind: retriable
    action: shop.stock.v1.StockService/Reserve
    request: { reservation_id: saga.id, items: parent.input.items }
  - name: keep
    kind: retriable
    action: shop.stock.v1.StockService/Confirm
    request: { reservation_id: saga.id }
)";

}  // namespace unwind

#endif  // UNWIND_TESTS_CRASH_SECOND_PIECE_H_
