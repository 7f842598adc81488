// Turns the page from light to dark and back; the address remembers it, nothing else does.
element.querySelector("button").addEventListener("click", () => {
    const theme = document.body.classList.toggle("dark") ? "dark" : "light";
    if (host) return;
    const address = new URL(location);
    address.searchParams.set("__theme", theme);
    history.replaceState(history.state, "", address);
});
// Gradio's own messages say what is wrong and not what to do next.
const SENTENCES = [
    [/^Invalid file type: (.*?)\. Only .*$/s, "“$1” is of a kind that is not taken here. Please choose another file."],
    [/^Connection (to the server was lost|errored out).*$/s, "The server does not answer. Please try again in a minute."],
];
// Pictures of samples are named from this page, wherever it stands.
const complete = () => {
    for (const picture of document.querySelectorAll("img[data-picture]:not([src])"))
        picture.src = new URL(picture.dataset.picture, root);
    for (const text of document.querySelectorAll(".toast-message-text")) {
        const [pattern, sentence] = SENTENCES.find(([pattern]) => pattern.test(text.textContent)) ?? [];
        if (pattern) text.textContent = text.textContent.replace(pattern, sentence);
    }
};
new MutationObserver(complete).observe(document.body, {childList: true, subtree: true});
complete();
// A server that is gone says nothing: the first question that it leaves unanswered does.
const lost = element.querySelector(".lost");
const ask = window.fetch;
const isBack = () => ask(new URL("health", root)).then(({ok}) => ok, () => false);
const tell = async () => {
    if (!lost.hidden) return;
    lost.hidden = false;
    while (!await isBack()) await new Promise((go) => setTimeout(go, 2000));
    lost.hidden = true;
};
window.fetch = (...asked) => ask(...asked).catch((error) => {
    const where = new URL(asked[0]?.url ?? asked[0], location);
    if (where.origin === root.origin && error.name === "TypeError" && navigator.onLine) tell();
    throw error;
});
