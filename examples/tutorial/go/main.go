// participant ADDRESS DATABASE: tables and cakes, two services that take part in a saga.
//
// once keeps the contract of docs/PARTICIPANTS.md for any business; the four functions above it are the business.
package main

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log"
	"net"
	"os"

	"example.com/party/partyv1"
	_ "github.com/mattn/go-sqlite3"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

const schema = `
CREATE TABLE IF NOT EXISTS holds (hold TEXT PRIMARY KEY, guest TEXT);
CREATE TABLE IF NOT EXISTS cakes (id TEXT PRIMARY KEY, cake TEXT);
CREATE TABLE IF NOT EXISTS calls (saga TEXT, step TEXT, phase TEXT, request BLOB, answer BLOB, refusal TEXT,
                                  PRIMARY KEY (saga, step, phase));`

// No, and why. Said before anything is written.
type refusal string

func (r refusal) Error() string { return string(r) }

func hold(tx *sql.Tx, request *partyv1.HoldRequest, answer *partyv1.HoldResponse) error {
	held, err := tx.Exec("INSERT INTO holds VALUES (?, ?)", request.HoldId, request.Guest)
	if err != nil {
		return err
	}
	answer.Table, err = held.LastInsertId()
	return err
}

func free(tx *sql.Tx, request *partyv1.FreeRequest, _ *partyv1.FreeResponse) error {
	_, err := tx.Exec("DELETE FROM holds WHERE hold = ?", request.HoldId)
	return err
}

func order(tx *sql.Tx, request *partyv1.OrderRequest, answer *partyv1.OrderResponse) error {
	if request.Cake == "durian" {
		return refusal("NO_SUCH_CAKE")
	}
	answer.Cake = request.Cake
	_, err := tx.Exec("INSERT INTO cakes VALUES (?, ?)", request.OrderId, request.Cake)
	return err
}

func cancel(tx *sql.Tx, request *partyv1.CancelRequest, _ *partyv1.CancelResponse) error {
	_, err := tx.Exec("DELETE FROM cakes WHERE id = ?", request.OrderId)
	return err
}

// Carries a call out once for each key, and answers it the same way each time. change fills the answer that it is given.
func once[Q, A proto.Message](ctx context.Context, db *sql.DB, change func(*sql.Tx, Q, A) error, request Q, answer A) (A, error) {
	call, err := callOf(ctx)
	if err != nil {
		return answer, err
	}
	// A copy of a call that is under way waits here, for _txlock=immediate, until the first has committed.
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return answer, unknown(err)
	}
	defer tx.Rollback() // does nothing once it is committed
	kept, err := settle(tx, call, change, request, answer)
	if err == nil {
		err = tx.Commit() // before the answer
	}
	if err != nil {
		return answer, unknown(err)
	}
	fmt.Println(call.step, call.phase, kept.says())
	if kept.refusal != "" {
		return answer, call.refused(ctx, kept.refusal)
	}
	proto.Reset(answer)
	return answer, proto.Unmarshal(kept.answer, answer)
}

type sagaCall struct{ saga, step, phase, key string }

func callOf(ctx context.Context) (sagaCall, error) {
	md, _ := metadata.FromIncomingContext(ctx)
	var values []string
	for _, name := range []string{"saga-id", "saga-step", "saga-phase", "idempotency-key"} {
		value := md.Get(name)
		if len(value) != 1 {
			return sagaCall{}, refusedAs(codes.InvalidArgument, "METADATA_MISSING")
		}
		values = append(values, value[0])
	}
	return sagaCall{values[0], values[1], values[2], values[3]}, nil
}

// The row of a call: how it was answered first.
type row struct {
	request, answer []byte
	refusal         string
}

func (r row) says() string {
	if r.refusal != "" {
		return r.refusal
	}
	return "OK"
}

// What the call is answered. What it writes is in tx.
func settle[Q, A proto.Message](tx *sql.Tx, call sagaCall, change func(*sql.Tx, Q, A) error, request Q, answer A) (row, error) {
	asked, err := proto.MarshalOptions{Deterministic: true}.Marshal(request)
	if err != nil {
		return row{}, err
	}
	if kept, err := find(tx, call, call.phase); err == nil {
		if kept.refusal != "FENCED" && !bytes.Equal(kept.request, asked) {
			return row{refusal: "KEY_REUSED"}, nil
		}
		return kept, nil
	} else if !errors.Is(err, sql.ErrNoRows) {
		return row{}, err
	}
	if call.phase == "compensation" {
		action, err := find(tx, call, "action")
		if errors.Is(err, sql.ErrNoRows) { // it has not come, and now it never will
			action, err = keep(tx, call, "action", row{asked, nil, "FENCED"})
		}
		if err != nil {
			return row{}, err
		}
		if action.refusal != "" { // nothing to undo
			return keep(tx, call, call.phase, row{asked, nil, ""})
		}
	}
	err = change(tx, request, answer)
	var no refusal
	if errors.As(err, &no) && call.phase == "action" {
		return keep(tx, call, call.phase, row{asked, nil, no.Error()})
	}
	if errors.As(err, &no) { // not kept: asked again later a compensation must be able to succeed
		return row{refusal: no.Error()}, nil
	}
	if err != nil {
		return row{}, err
	}
	said, err := proto.MarshalOptions{Deterministic: true}.Marshal(answer)
	if err != nil {
		return row{}, err
	}
	return keep(tx, call, call.phase, row{asked, said, ""})
}

func find(tx *sql.Tx, call sagaCall, phase string) (row, error) {
	var r row
	err := tx.QueryRow("SELECT request, answer, refusal FROM calls WHERE saga = ? AND step = ? AND phase = ?",
		call.saga, call.step, phase).Scan(&r.request, &r.answer, &r.refusal)
	return r, err
}

func keep(tx *sql.Tx, call sagaCall, phase string, r row) (row, error) {
	_, err := tx.Exec("INSERT INTO calls VALUES (?, ?, ?, ?, ?, ?)", call.saga, call.step, phase, r.request, r.answer, r.refusal)
	return r, err
}

func (c sagaCall) refused(ctx context.Context, reason string) error {
	switch {
	case reason == "FENCED":
		return refusedAs(codes.Aborted, reason)
	case reason == "KEY_REUSED":
		return refusedAs(codes.InvalidArgument, reason)
	case c.phase == "action": // the refusal is stored, so it is final
		grpc.SetTrailer(ctx, metadata.Pairs("saga-outcome", "refused", "saga-outcome-key", c.key))
	}
	return refusedAs(codes.FailedPrecondition, reason)
}

func refusedAs(code codes.Code, reason string) error {
	told, err := status.New(code, reason).WithDetails(&errdetails.ErrorInfo{Reason: reason, Domain: "party.example"})
	if err != nil {
		return err
	}
	return told.Err()
}

// The database is locked for long, or has no room, or the caller is gone: whether the call was carried out is not known.
func unknown(err error) error { return status.Error(codes.Unavailable, err.Error()) }

type tables struct {
	partyv1.UnimplementedTablesServer
	db *sql.DB
}

func (t tables) Hold(ctx context.Context, request *partyv1.HoldRequest) (*partyv1.HoldResponse, error) {
	return once(ctx, t.db, hold, request, &partyv1.HoldResponse{})
}

func (t tables) Free(ctx context.Context, request *partyv1.FreeRequest) (*partyv1.FreeResponse, error) {
	return once(ctx, t.db, free, request, &partyv1.FreeResponse{})
}

type cakes struct {
	partyv1.UnimplementedCakesServer
	db *sql.DB
}

func (c cakes) Order(ctx context.Context, request *partyv1.OrderRequest) (*partyv1.OrderResponse, error) {
	return once(ctx, c.db, order, request, &partyv1.OrderResponse{})
}

func (c cakes) Cancel(ctx context.Context, request *partyv1.CancelRequest) (*partyv1.CancelResponse, error) {
	return once(ctx, c.db, cancel, request, &partyv1.CancelResponse{})
}

func main() {
	address, path := os.Args[1], os.Args[2]
	db, err := sql.Open("sqlite3", "file:"+path+"?_txlock=immediate&_journal_mode=WAL&_synchronous=FULL&_busy_timeout=5000")
	if err == nil {
		_, err = db.Exec(schema)
	}
	if err != nil {
		log.Fatal(err)
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		log.Fatal(err)
	}
	server := grpc.NewServer()
	partyv1.RegisterTablesServer(server, tables{db: db})
	partyv1.RegisterCakesServer(server, cakes{db: db})
	fmt.Println("serving", address)
	log.Fatal(server.Serve(listener))
}
