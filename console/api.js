// saga.v1.SagaService over REST, as protos/saga/v1/saga_service.proto and the gateway say it. Errors are ApiError.

const BASE = '/api/v1';
const PATIENCE_MS = 50_000;  // above the gateway's 45 s

class ApiError extends Error {
  // status: that of HTTP, 0 if there was no answer. details: google.rpc ones, as JSON.
  constructor(status, message, { code = 0, details = [] } = {}) {
    super(message);
    this.status = status;
    this.code = code;
    const info = details.find((detail) => detail.reason !== undefined);
    this.reason = info?.reason ?? '';
    this.domain = info?.domain ?? '';
    this.denied = info?.metadata?.denied ?? '';
    const fields = details
      .flatMap((detail) => detail.fieldViolations ?? [])
      .map((it) => `${it.field}: ${it.description}`);
    // Most often the message has the fields already.
    this.words = [message, ...fields.filter((field) => !message.includes(field))].join('; ');
  }
  get gone() {
    return this.status === 404 && this.reason === 'SAGA_NOT_FOUND';
  }
  get forbidden() {
    return this.status === 401 || this.status === 403;
  }
  // What was asked for may have been done: nobody answered, or nobody who says why not, or the gateway on the way failed,
  // or the store did not say.
  get notKnown() {
    if (this.reason === '') return !this.forbidden && !this.unknownMethod;
    return this.reason === 'STORE_UNAVAILABLE' || (this.domain === 'gateway.unwind' && this.status >= 500);
  }
  // The gateway, or the orchestrator behind it, has no such method.
  get unknownMethod() {
    return this.status === 501 || this.status === 405 || (this.status === 404 && this.reason !== 'SAGA_NOT_FOUND');
  }
}

async function errorOf(response) {
  const text = await response.text();
  try {
    const { code, message, details } = JSON.parse(text);
    return new ApiError(response.status, message || response.statusText, { code, details });
  } catch {
    return new ApiError(response.status, text.slice(0, 300) || response.statusText || 'no answer that can be read');
  }
}

// The response, once its headers are there and say that all is well.
async function fetched(path, { query = {}, ...options }) {
  const given = Object.entries(query).filter(([, value]) => value !== undefined && value !== '');
  const parameters = new URLSearchParams(given).toString();
  let response;
  try {
    response = await fetch(BASE + path + (parameters && `?${parameters}`), {
      cache: 'no-store',
      credentials: 'same-origin',
      redirect: 'error',
      ...options,
    });
  } catch (error) {
    if (options.signal?.aborted && options.signal.reason?.name !== 'TimeoutError') throw error;
    throw new ApiError(0, 'The gateway does not answer.');
  }
  if (!response.ok) throw await errorOf(response);
  return response;
}

async function json(path, { signal, ...options }) {
  const limits = [AbortSignal.timeout(PATIENCE_MS), signal].filter(Boolean);
  const response = await fetched(path, { signal: AbortSignal.any(limits), ...options });
  try {
    return await response.json();
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new ApiError(0, 'The gateway broke off its answer.');
  }
}

const get = (path, query, signal) => json(path, { query, signal });

// Something for each part of a server stream that comes, and one once it has begun. What it says is not read: it is
// taken as the sign that something changed.
async function* parts(path, query, signal) {
  const { body } = await fetched(path, { query, signal });
  yield;
  for (const reader = body.getReader(); ;) {
    const { done } = await reader.read();
    if (done) return;
    yield;
  }
}

// The header tells the gateway that no other site's page sends this.
const post = (path, body) =>
  json(path, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'x-requested-with': 'unwind-console' },
    body: JSON.stringify(body),
  });

const sagaPath = (id) => `/sagas/${encodeURIComponent(id)}`;
const stepPath = (id, step) => `${sagaPath(id)}/steps/${encodeURIComponent(step)}`;

export const listSagas = (query, signal) => get('/sagas', query, signal);
export const getSaga = (id, signal) => get(sagaPath(id), {}, signal);
export const getHistory = (id, query, signal) => get(`${sagaPath(id)}/history`, query, signal);
export const listDefinitions = (signal) => get('/definitions', {}, signal);

export const watchSaga = (id, signal) => parts(`${sagaPath(id)}:watch`, {}, signal);
export const watchSagas = (definition, signal) => parts('/sagas:watch', { definition }, signal);

export const pauseDefinition = (name, body) => post(`/definitions/${encodeURIComponent(name)}:pause`, body);
export const resumeDefinition = (name, body) => post(`/definitions/${encodeURIComponent(name)}:resume`, body);

// Each answers the saga as it stands.
export const cancelSaga = async (id, body) => (await post(`${sagaPath(id)}:cancel`, body)).saga;
export const moveStep = async (id, step, verb, body) => (await post(`${stepPath(id, step)}:${verb}`, body)).saga;
