// What the console is tried on: the shop of unwind_up, an orchestrator that has its sagas and those of a participant in
// Python, and the real Envoy. All of it is on loopback, at ports that the system gives, and ends with `stop`.
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

const START_PATIENCE_MS = 60_000;
const TRIP = 'tests/e2e/python_participant';
const OWN = 'tests/console';
const PYTHON = '/usr/bin/python3';  // has Debian's python3-grpcio
const SERVICES = {
  order_svc: ['shop.order.v1.OrderService', 'shop.order.v1.CartService', 'shop.order.v1.NotificationService'],
  stock_svc: ['shop.stock.v1.StockService'],
  payment_svc: ['shop.payment.v1.PaymentService'],
  coupon_svc: ['shop.coupon.v1.CouponService'],
  wallet_svc: ['shop.wallet.v1.WalletService'],
};

export async function until(what, condition, patienceMs = START_PATIENCE_MS) {
  const end = Date.now() + patienceMs;
  for (;;) {
    const value = await condition();
    if (value) return value;
    if (Date.now() > end) throw new Error(`not within ${patienceMs / 1000} s: ${what}`);
    await new Promise((done) => setTimeout(done, 50));
  }
}

const pairs = (text) =>
  Object.fromEntries(
    text
      .split('\n')
      .filter(Boolean)
      .map((line) => line.split(/[= ](.*)/s).slice(0, 2)),
  );

export class Cluster {
  #processes = new Map();  // by name

  constructor(envoy, build) {
    this.envoy = resolve(envoy);
    this.build = resolve(build);
    this.scratch = mkdtempSync(join(tmpdir(), 'unwind-console-'));
    this.protoset = join(this.scratch, 'trip.protoset');
    process.once('exit', () => this.#processes.forEach((child) => child.kill('SIGKILL')));
    for (const signal of ['SIGTERM', 'SIGINT']) process.once(signal, () => process.exit(1));
  }

  #path(name) {
    return join(this.scratch, name);
  }
  #log(name) {
    return existsSync(this.#path(`${name}.log`)) ? readFileSync(this.#path(`${name}.log`), 'utf8') : '';
  }

  // Starts a process, and waits until `ready` is there, a file that it writes.
  async #start(name, command, ready) {
    rmSync(ready, { force: true });
    const shell = ['-c', 'log="$1"; shift; exec "$@" >>"$log" 2>&1', 'sh', this.#path(`${name}.log`), ...command];
    const child = spawn('/bin/sh', shell, { stdio: 'ignore' });
    this.#processes.set(name, child);
    await until(`${name} is up`, () => {
      if (child.exitCode !== null) throw new Error(`${name} ended: ${this.#log(name)}`);
      return existsSync(ready);
    });
    return readFileSync(ready, 'utf8');
  }

  async #end(name, signal) {
    const child = this.#processes.get(name);
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise((done) => child.once('exit', done));
    child.kill(signal);
    await ended;
  }

  async start() {
    const made = spawnSync('protoc', [
      `-I${TRIP}`,
      `-I${OWN}`,
      '-Iprotos/third_party',
      '--include_imports',
      `--descriptor_set_out=${this.protoset}`,
      'trip.proto',
      'tour.proto',
      'google/rpc/status.proto',
      'google/rpc/error_details.proto',
    ]);
    if (made.status !== 0) throw new Error(`protoc: ${made.stderr}`);
    const python = await this.#start(
      'python',
      [PYTHON, `${TRIP}/participant.py`, '--protoset', this.protoset, '--port_file', this.#path('python.port')],
      this.#path('python.port'),
    );
    this.trips = `127.0.0.1:${python.trim()}`;
    this.shop = pairs(
      await this.#start(
        'shop',
        [join(this.build, 'bin/unwind_up'), `--addresses_file=${this.#path('shop')}`],
        this.#path('shop'),
      ),
    );
    await this.startOrchestrator();
    await this.startGateway();
  }

  async startOrchestrator() {
    const routes = Object.entries(SERVICES).flatMap(([node, services]) =>
      services.map((service) => `${service}=${this.shop[node]}`),
    );
    routes.push(`trip.v1.RoomService=${this.trips}`, `trip.v1.CarService=${this.trips}`, `trip.v1.VisaService=${this.trips}`);
    const lines = await this.#start(
      'orchestrator',
      [
        join(this.build, 'bin/orchestrator'),
        `--listen=${this.listen ?? '127.0.0.1:0'}`,
        `--admin_listen=${this.admin ?? '127.0.0.1:0'}`,
        '--lame_duck=0s',
        `--port_file=${this.#path('orchestrator.port')}`,
        `--db=${this.#path('orchestrator.db')}`,
        '--instance=console-test',
        `--definitions=orchestrator/sagas,${TRIP}/book_trip.yaml,${OWN}`,
        `--descriptors=${this.protoset}`,
        `--participants=${routes.join(',')}`,
      ],
      this.#path('orchestrator.port'),
    );
    const [port, admin] = lines.split('\n');
    this.listen = `127.0.0.1:${port}`;
    this.admin = `127.0.0.1:${admin.split(' ')[1]}`;
  }

  async startGateway() {
    const doors = { listen: 'gateway', admin_listen: 'gateway_admin', stats_listen: 'gateway_stats' };
    const lines = await this.#start(
      'envoy',
      [
        PYTHON,
        'gateway/start.py',
        `--envoy=${this.envoy}`,
        `--files=${this.build}`,
        `--run_folder=${this.scratch}`,
        `--orchestrator=${this.listen}`,
        `--orchestrator_admin=${this.admin}`,
        ...Object.keys(SERVICES).map((node) => `--${node}=${this.shop[node]}`),
        ...Object.entries(doors).map(([option, name]) => `--${option}=${this.doors?.[name] ?? '127.0.0.1:0'}`),
      ],
      this.#path('addresses'),
    );
    this.doors = pairs(lines);
    this.console = `http://${this.doors.gateway_admin}`;
    await until('the gateway reaches the orchestrator', async () => (await fetch(`${this.console}/api/v1/sagas`)).ok);
    await until('and the shop', async () => (await fetch(`http://${this.doors.gateway}/api/v1/products`)).ok);
  }

  killOrchestrator() {
    return this.#end('orchestrator', 'SIGKILL');
  }
  killGateway() {
    return this.#end('envoy', 'SIGKILL');
  }

  async stop() {
    for (const name of ['envoy', 'orchestrator', 'shop', 'python']) await this.#end(name, 'SIGTERM');
    rmSync(this.scratch, { recursive: true, force: true });
  }

  async api(path) {
    const answer = await fetch(`${this.console}/api/v1${path}`);
    return answer.ok ? answer.json() : null;
  }

  // The saga of a key, once `fits` holds of it.
  saga(definition, key, fits = () => true) {
    return until(`saga ${key} of ${definition}: ${fits}`, async () => {
      const saga = await this.api(`/sagas:find?definition=${definition}&key=${key}`);
      return saga && fits(saga) && saga;
    });
  }

  // What another operator does meanwhile.
  async move(saga, step, verb, more = {}) {
    const answer = await fetch(`${this.console}/api/v1/sagas/${saga.sagaId}/steps/${step}:${verb}`, {
      method: 'POST',
      headers: { 'x-requested-with': 'test' },
      body: JSON.stringify({ actor: 'test', reason: 'test', ...more }),
    });
    if (!answer.ok) throw new Error(await answer.text());
  }

  // Starts a call of a served method and does not wait for its answer.
  book(method, request) {
    const json = JSON.stringify(request);
    const call = spawn(PYTHON, [`${OWN}/call.py`, this.protoset, this.listen, method, json], { stdio: 'ignore' });
    this.#processes.set(`call ${json}`, call);
    call.unref();
  }

  // How the payment gateway behaves: pg.v1.Scenario as JSON.
  scenario(scenario) {
    const json = JSON.stringify({ scenario });
    const protoset = join(this.build, 'unwind.protoset');
    const method = 'pg.v1.MockControl/SetScenario';
    const done = spawnSync(PYTHON, [`${OWN}/call.py`, protoset, this.shop.mock_pg, method, json], { encoding: 'utf8' });
    if (!done.stdout.includes('"scenario"')) throw new Error(`${method}: ${done.stdout}${done.stderr}`);
  }

  order(key, quantity = 1) {
    return fetch(`http://${this.doors.gateway}/api/v1/orders`, {
      method: 'POST',
      headers: { 'idempotency-key': key },
      body: JSON.stringify({
        memberId: 'mina',
        items: [{ productId: 'lamp', quantity }],
        paymentMethod: 'PAYMENT_METHOD_CARD',
      }),
    });
  }
}
