// Times as people read them: local, with the UTC in the title. Timestamps are those of proto3 JSON.
import { h } from './dom.js';

const clock = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit', second: '2-digit' });
const day = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short' });
const year = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short', year: 'numeric' });

export const millis = (timestamp) => new Date(timestamp).getTime();

function local(date) {
  const today = new Date();
  if (date.toDateString() === today.toDateString()) return clock.format(date);
  return `${(date.getFullYear() === today.getFullYear() ? day : year).format(date)} ${clock.format(date)}`;
}

// `withMillis`: three digits more, to tell the entries of a history apart.
export function time(timestamp, { withMillis = false } = {}) {
  if (!timestamp) return h('span', {}, '–');
  const date = new Date(timestamp);
  const digits = withMillis ? `.${String(date.getMilliseconds()).padStart(3, '0')}` : '';
  const utc = date.toISOString().replace('T', ' ').replace('Z', ' UTC');
  return h('time', { datetime: date.toISOString(), title: utc }, local(date) + digits);
}

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

// Between a timestamp and a field datetime-local, which has no zone: it is the reader's.
export function toField(timestamp) {
  if (!timestamp) return '';
  const date = new Date(timestamp);
  return new Date(date.getTime() - date.getTimezoneOffset() * 60_000).toISOString().slice(0, 19);
}
export const fromField = (field) => (field ? new Date(field).toISOString() : '');
