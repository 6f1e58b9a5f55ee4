// Keeps the page current: fetches it again and changes only what differs, so that focus, selection, scroll position and an opened
// list stay. Without this script the page reloads itself every five seconds.
'use strict';
(() => {
	const EVERY_MS = 1000;
	let last = Date.now();

	const attributes = (old, now) => {
		for (const a of [...old.attributes])
			// What a person has opened, and what this script writes, is theirs.
			if (!now.hasAttribute(a.name) && a.name !== 'open' && a.name !== 'title') old.removeAttribute(a.name);
		for (const a of now.attributes)
			if (old.getAttribute(a.name) !== a.value && !(old.tagName === 'DETAILS' && a.name === 'open'))
				old.setAttribute(a.name, a.value);
	};

	const differs = (old, now) => old.nodeType !== now.nodeType || old.nodeName !== now.nodeName || (old.id || '') !== (now.id || '');

	const morph = (old, now) => {
		if (old.nodeType === Node.TEXT_NODE) {
			if (old.data !== now.data) old.data = now.data;
			return;
		}
		if (old.nodeType !== Node.ELEMENT_NODE || old.id === 'stale') return;
		attributes(old, now);
		const wanted = [...now.childNodes];
		wanted.forEach((child, i) => {
			const at = old.childNodes[i];
			if (!at) old.append(child);
			else if (differs(at, child)) at.replaceWith(child);
			else morph(at, child);
		});
		while (old.childNodes.length > wanted.length) old.lastChild.remove();
	};

	// Times as the reader's clock shows them; what was in the text is the title.
	const localise = (root) => {
		for (const t of root.querySelectorAll('time')) {
			const when = new Date(t.dateTime);
			if (isNaN(when)) continue;
			const today = when.toDateString() === new Date().toDateString();
			t.textContent = when.toLocaleString([], today ? { timeStyle: 'medium' } : { dateStyle: 'medium', timeStyle: 'short' });
			t.title = t.dateTime;
		}
	};

	const say = (text) => {
		const at = document.getElementById('stale');
		if (at.textContent !== text) at.textContent = text;
		at.hidden = !text;
	};

	const refresh = async () => {
		try {
			const answer = await fetch(location.pathname + location.search, { cache: 'no-store', signal: AbortSignal.timeout(5000) });
			if (!answer.ok) throw new Error(answer.status);
			const now = new DOMParser().parseFromString(await answer.text(), 'text/html');
			localise(now);
			for (const part of ['header', 'main', 'footer']) morph(document.querySelector(part), now.querySelector(part));
			document.title = now.title;
			last = Date.now();
			say('');
		} catch (error) {
			const s = Math.round((Date.now() - last) / 1000);
			say(`penstockd does not answer, ${s} s old`);
			document.title = 'not reachable - penstock';
		}
	};

	const tick = async () => {
		if (!document.hidden) await refresh();
		setTimeout(tick, EVERY_MS);
	};
	localise(document);
	setTimeout(tick, EVERY_MS);
})();
