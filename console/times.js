// Times as people read them: local, with the UTC in the title. Timestamps are those of proto3 JSON.
import { h } from './dom.js';

const clock = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit', second: '2-digit' });
const day = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short' });
const year = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short', year: 'numeric' });

const RELABEL_MS = 10_000;

export const millis = (timestamp) => new Date(timestamp).getTime();

function local(date) {
  const today = new Date();
  if (date.toDateString() === today.toDateString()) return clock.format(date);
  return `${(date.getFullYear() === today.getFullYear() ? day : year).format(date)} ${clock.format(date)}`;
}

// What a time is shown as.
const LABELS = {
  second: local,
  millisecond: (date) => `${local(date)}.${String(date.getMilliseconds()).padStart(3, '0')}`,
  age: (date) => span(Date.now() - date),
};

// `as`: one of LABELS; the milliseconds tell the entries of a history apart.
export function time(timestamp, { as = 'second' } = {}) {
  if (!timestamp) return h('span', {}, '–');
  const date = new Date(timestamp);
  const utc = date.toISOString().replace('T', ' ').replace('Z', ' UTC');
  return h('time', { datetime: date.toISOString(), title: utc, 'data-as': as }, LABELS[as](date));
}

// A label grows old while nothing else changes: its day is over, its age grows.
setInterval(() => {
  for (const element of document.querySelectorAll('time')) {
    const label = LABELS[element.dataset.as](new Date(element.dateTime));
    if (element.textContent !== label) element.textContent = label;
  }
}, RELABEL_MS);

// A length of time in its two largest units at most.
export function span(ms) {
  if (ms < 0) ms = 0;
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 10_000) return `${(ms / 1000).toFixed(1)} s`;
  if (ms < 60_000) return `${Math.round(ms / 1000)} s`;
  const minutes = Math.floor(ms / 60_000);
  if (minutes < 60) return `${minutes} min ${Math.floor(ms / 1000) % 60} s`;
  if (minutes < 48 * 60) return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
  return `${Math.floor(minutes / 1440)} d ${Math.floor(minutes / 60) % 24} h`;
}

// Between a timestamp and a field datetime-local, which has no zone: it is the reader's. Of a text that is no timestamp,
// as an address may have it, the field is empty.
export function toField(timestamp) {
  const date = new Date(timestamp);
  if (Number.isNaN(date.getTime())) return '';
  return new Date(date.getTime() - date.getTimezoneOffset() * 60_000).toISOString().slice(0, 19);
}
export const fromField = (field) => (field ? new Date(field).toISOString() : '');
