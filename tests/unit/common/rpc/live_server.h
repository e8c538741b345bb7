// A server on a free port for the tests of common/rpc: one generated service, and one that is known only to a
// descriptor pool of its own.
#ifndef UNWIND_TESTS_UNIT_COMMON_RPC_LIVE_SERVER_H_
#define UNWIND_TESTS_UNIT_COMMON_RPC_LIVE_SERVER_H_

#include <memory>
#include <string>

#include "common/rpc/server.h"
#include "google/protobuf/descriptor.h"
#include "grpcpp/channel.h"
#include "shop/stock/v1/stock_service.grpc.pb.h"

namespace unwind {

inline constexpr char kStock[] = "shop.stock.v1.StockService";
inline constexpr char kDepot[] = "depot.v1.DepotService";
inline constexpr char kComment[] = " Before the package.\n";

// Answers Reserve with the reservation's id, but "refused" with STOCK_NOT_ENOUGH; all else is UNIMPLEMENTED.
class EchoStock final : public shop::stock::v1::StockService::CallbackService {
 public:
  grpc::ServerUnaryReactor* Reserve(grpc::CallbackServerContext* context,
                                    const shop::stock::v1::ReserveRequest* request,
                                    shop::stock::v1::ReserveResponse* response) override;
};

// depot/v1/depot.proto, which nothing compiled in: service DepotService { rpc Store(Crate) returns (Crate); }, a nested
// enum, an extension of FieldOptions. Besides kStock's file and what both import, with kComment, and another edition of
// google/rpc/error_details.proto.
class DepotPool {
 public:
  DepotPool();
  const google::protobuf::DescriptorPool& pool() const { return pool_; }

 private:
  google::protobuf::DescriptorPool pool_;
};

// Sends every request back.
class EchoGeneric final : public grpc::CallbackGenericService {
 public:
  grpc::ServerGenericBidiReactor* CreateReactor(grpc::GenericCallbackServerContext* context) override;
};

class LiveServer {
 public:
  LiveServer();
  std::string target() const;
  std::shared_ptr<grpc::Channel> channel() const { return channel_; }
  Server& server() { return *server_; }

 private:
  EchoStock stock_;
  EchoGeneric generic_;
  DepotPool depot_;
  std::unique_ptr<Server> server_;
  std::shared_ptr<grpc::Channel> channel_;
};

}  // namespace unwind

#endif  // UNWIND_TESTS_UNIT_COMMON_RPC_LIVE_SERVER_H_
