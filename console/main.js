// Which page is shown, how fresh it is, and what went wrong.
import { h } from './dom.js';
import { showAttention } from './attention.js';
import { showDefinitions } from './definitions.js';
import { showRates } from './rates.js';
import { showSaga } from './saga.js';
import { showSagas } from './sagas.js';
import { time } from './times.js';

const main = document.getElementById('content');
const link = document.getElementById('link');
const trouble = document.getElementById('trouble');
const said = document.getElementById('said');

const PAGES = {
  sagas: { title: 'Sagas', show: showSagas },
  attention: { title: 'Attention', show: showAttention },
  definitions: { title: 'Definitions', show: showDefinitions },
  rates: { title: 'Rates', show: showRates },
};

let live;
let shownAt;  // when what is shown was true

const say = (words) => {
  said.textContent = words;
};

const LINK_WORDS = {
  stream: () => 'live',
  poll: ({ everyMs }) => `every ${everyMs / 1000} s`,
  ended: () => 'ended: it changes no more',
  hidden: () => 'paused while hidden',
  failed: () => 'out of date',
};

function whatFailed(error) {
  if (error.gone)
    return [h('b', {}, 'There is no such saga. '), 'It never was, or it ended and its retention is over. '];
  if (error.forbidden) return [h('b', {}, 'Not allowed. '), `${error.message} `];
  if (error.status === 0) return [h('b', {}, `${error.message} `)];
  if (error.status === undefined) return [h('b', {}, 'The page failed. '), `${error.message} `];
  return [h('b', {}, `${error.reason || `HTTP ${error.status}`} `), `${error.words}. `];
}

function tell(state) {
  link.dataset.how = state.how;
  link.textContent = LINK_WORDS[state.how](state);
  if (state.how === 'failed') {
    trouble.replaceChildren(
      h(
        'p',
        {},
        whatFailed(state.error),
        shownAt ? ['What stands below is of ', time(shownAt), '. '] : '',
        state.again ? ['Tried again at ', time(state.again), '.'] : 'It is not tried again by itself.',
      ),
      h('button', { type: 'button', onclick: () => live.nudge() }, 'Try now'),
    );
    trouble.hidden = false;
  } else if (state.how !== 'hidden') {
    shownAt = new Date();
    trouble.hidden = true;
  }
}

// {name, id, query} of the address. What passed it on may have encoded it once more, its ? too.
function addressed() {
  let address = location.hash.replace(/^#\/?/, '');
  if (!address.includes('?') && /%3F/i.test(address)) address = decoded(address);
  const [, path, query] = /^([^?]*)\??(.*)$/s.exec(address);
  const [name, id = ''] = path.split('/');
  return { name, id: decoded(id), query };
}

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function go() {
  const { name, id, query } = addressed();
  if (!Object.hasOwn(PAGES, name)) {
    history.replaceState(null, '', '#/sagas');
    go();
    if (name) say(`There is no page "${name}". These are the newest sagas.`);
    return;
  }
  live?.stop();
  shownAt = undefined;
  trouble.hidden = true;
  say('');
  link.textContent = '';
  const page = PAGES[name];
  const saga = name === 'sagas' ? id : '';
  document.title = `${saga ? `Saga ${saga}` : page.title} – Unwind`;
  for (const anchor of document.querySelectorAll('nav[aria-label=Pages] a')) {
    if (anchor.hash === `#/${name}`) anchor.setAttribute('aria-current', 'page');
    else anchor.removeAttribute('aria-current');
  }
  live = saga ? showSaga(main, saga, { tell, say }) : page.show(main, new URLSearchParams(query), { tell, say });
}

function turn() {
  go();
  main.querySelector('h1')?.focus({ preventScroll: true });
  window.scrollTo(0, 0);
}

addEventListener('hashchange', turn);
document.querySelector('.to-content').addEventListener('click', (event) => {
  event.preventDefault();  // the address says which page is shown
  main.focus();
});
go();
