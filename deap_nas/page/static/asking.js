// Questions to the server of a page that lives, again and again while somebody looks.

const SECONDS_BETWEEN = 2, MOST_SECONDS_BETWEEN = 30;
//: News are asked for at most so large a share of the time that showing them takes.
const SHARE_TO_SHOW = 0.2;

/** Ask the server; null where it has nothing new. */
async function ask(question) {
  const answer = await fetch(question).catch(() => { throw new Error("the server does not answer"); });
  if (answer.status === 204) return null;
  if (!answer.ok) throw new Error(await answer.text());
  return answer.json();
}

/** Wait for some seconds, and as long as the page is hidden. */
async function rest(seconds) {
  await new Promise((resolve) => setTimeout(resolve, 1000 * seconds));
  if (document.hidden)
    await new Promise((resolve) => document.addEventListener("visibilitychange", resolve, { once: true }));
}

/** Say something where screen readers hear it, once. */
function say(words) {
  const message = byId("message");
  if (message.textContent !== words) message.textContent = words;
}

/** Ask for news again and again: `question` gives the address, `show` takes the answer, `problem` says what is wrong. */
async function keepAsking(question, show, problem) {
  let seconds = SECONDS_BETWEEN;
  for (;;) {
    await rest(seconds);
    try {
      const news = await ask(question());
      const before = performance.now();
      if (news) await show(news);
      seconds = Math.max(SECONDS_BETWEEN, (performance.now() - before) / 1000 / SHARE_TO_SHOW);
      say(problem());
    } catch (error) {
      say(`No news: ${error.message}. What is shown is what was known last; it is asked for again.`);
      seconds = Math.min(2 * seconds, MOST_SECONDS_BETWEEN);
    }
  }
}
