package buy;

import com.google.protobuf.Any;
import com.google.rpc.ErrorInfo;
import com.google.rpc.RetryInfo;
import io.grpc.Grpc;
import io.grpc.InsecureChannelCredentials;
import io.grpc.ManagedChannel;
import io.grpc.Status.Code;
import io.grpc.StatusRuntimeException;
import io.grpc.protobuf.StatusProto;
import java.util.Set;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;
import unwind.shop.checkout.v1.CheckoutServiceGrpc;
import unwind.shop.checkout.v1.PlaceOrderRequest;
import unwind.shop.type.v1.LineItem;
import unwind.shop.type.v1.PaymentMethod;

/**
 * Buy ADDRESS KEY PRODUCT PIECES [SECONDS]: buys, and asks again under KEY until it is known what became of the order. Prints
 * the order's id. Exit 1: refused, for the reason that it prints. Exit 2: not known within SECONDS (60).
 */
public final class Buy {
  private static final long ATTEMPT_MS = 10_000;
  private static final long PAUSE_MS = 100;
  private static final long PAUSE_MAX_MS = 5_000;
  // Nobody decided anything, or not yet.
  private static final Set<Code> ALWAYS = Set.of(Code.UNAVAILABLE, Code.RESOURCE_EXHAUSTED);
  // With a reason they are the system's answer. Without one they are the connection's, and nothing is known.
  private static final Set<Code> WITHOUT_A_REASON = Set.of(Code.DEADLINE_EXCEEDED, Code.CANCELLED, Code.INTERNAL, Code.UNKNOWN);

  // The order stands where it is until an operator has looked at it.
  private static final Set<String> FOR_AN_OPERATOR = Set.of("SAGA_QUARANTINED", "STORE_FAILED");

  private static long millisNow() {
    return TimeUnit.NANOSECONDS.toMillis(System.nanoTime());
  }

  /** The order's id; null if it was not known within the time. Throws what is final. */
  private static String buy(ManagedChannel channel, PlaceOrderRequest order, long millis) throws Exception {
    var stub = CheckoutServiceGrpc.newBlockingStub(channel);
    long end = millisNow() + millis;
    for (long pause = PAUSE_MS; ; pause = Math.min(2 * pause, PAUSE_MAX_MS)) {
      long wait = ThreadLocalRandom.current().nextLong(pause);
      try {
        channel.resetConnectBackoff(); // else it may wait two minutes before it connects again
        long left = Math.min(ATTEMPT_MS, end - millisNow());
        return stub.withDeadlineAfter(left, TimeUnit.MILLISECONDS).placeOrder(order).getOrderId();
      } catch (StatusRuntimeException error) {
        Code code = error.getStatus().getCode();
        String reason = "";
        for (Any detail : StatusProto.fromThrowable(error).getDetailsList()) {
          if (detail.is(ErrorInfo.class)) reason = detail.unpack(ErrorInfo.class).getReason();
          if (detail.is(RetryInfo.class)) {
            var asked = detail.unpack(RetryInfo.class).getRetryDelay();
            wait = Math.max(wait, 1000 * asked.getSeconds() + asked.getNanos() / 1_000_000);
          }
        }
        boolean open = ALWAYS.contains(code) || FOR_AN_OPERATOR.contains(reason);
        if (!open && !(reason.isEmpty() && WITHOUT_A_REASON.contains(code))) throw new Exception(reason + " " + error.getMessage());
        System.err.println("not known yet: " + (reason.isEmpty() ? code : reason));
      }
      if (millisNow() + wait >= end) return null;
      Thread.sleep(wait);
    }
  }

  public static void main(String[] args) throws Exception {
    // One key for the whole loop: chosen with the order, and kept, so that another process may go on.
    var line = LineItem.newBuilder().setProductId(args[2]).setQuantity(Integer.parseInt(args[3]));
    var order = PlaceOrderRequest.newBuilder().setRequestId(args[1]).setMemberId("mina").addItems(line)
        .setPaymentMethod(PaymentMethod.PAYMENT_METHOD_CARD).build();
    double seconds = args.length > 4 ? Double.parseDouble(args[4]) : 60;
    var channel = Grpc.newChannelBuilder(args[0], InsecureChannelCredentials.create()).build();
    try {
      String id = buy(channel, order, (long) (1000 * seconds));
      System.err.print(id == null ? "not known: ask again, under the same key\n" : "");
      if (id != null) System.out.println(id);
      System.exit(id == null ? 2 : 0);
    } catch (Exception refused) {
      System.err.println("refused: " + refused.getMessage());
      System.exit(1);
    }
  }
}
