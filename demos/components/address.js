// The address and the title follow the tab, so that a link, a reload and Back lead to the same one. Those of somebody
// else's page do not.
const {title, tabs} = element.querySelector("[data-tabs]").dataset;
const labels = JSON.parse(tabs);
const idOf = (button) => Object.keys(labels).find((id) => labels[id] === button?.textContent.trim());
const buttons = () => [...document.querySelectorAll("[role=tab]")];
const selected = () => idOf(document.querySelector("[role=tab][aria-selected=true]"));
const name = (id) => { if (!host) document.title = `${labels[id]} · ${title}`; };
let following = false;
document.addEventListener("click", (event) => {
    const id = idOf(event.target.closest("[role=tab]"));
    if (!id || host) return;
    name(id);
    const address = new URL(location);
    if (following || address.searchParams.get("tab") === id) return;
    address.searchParams.set("tab", id);
    history.pushState(null, "", address);
});
const open = (wanted) => {
    following = true;
    buttons().find((button) => idOf(button) === wanted)?.click();
    following = false;
};
if (!host) addEventListener("popstate", () => {
    open(new URL(location).searchParams.get("tab")?.toLowerCase() ?? Object.keys(labels)[0]);
});
if (parent !== window && !host) {  // in a frame on somebody's page, which may follow its height
    const tell = () => {
        const id = selected() ?? "";
        const bottom = document.querySelector("footer")?.getBoundingClientRect().bottom ?? document.body.scrollHeight;
        parent.postMessage({visionModels: id, height: Math.ceil(bottom + scrollY) + 16}, "*");
    };
    new ResizeObserver(tell).observe(document.querySelector(".gradio-container .main") ?? document.body);
    tell();
}
const first = home.searchParams.get("tab")?.toLowerCase();
if (labels[first]) name(first);
const insist = (tries) => {  // Gradio, at work on the page, closes again what is opened too early
    if (selected() !== first) open(first);
    if (tries) setTimeout(insist, 100, tries - 1);
};
if (labels[first] && host) insist(10);  // a page of its own begins with the tab
// `?sample=coffee` begins with the first sample in view whose name begins so.
const sample = home.searchParams.get("sample")?.toLowerCase();
const begin = (tries) => {
    const offered = [...document.querySelectorAll(".samples button, .tastes button")].filter(
        (one) => one.offsetParent && one.closest("[data-ready]"));
    const wanted = offered.find((one) => one.textContent.trim().toLowerCase().startsWith(sample));
    if (wanted && (!labels[first] || selected() === first)) wanted.click();
    else if (tries) setTimeout(begin, 300, tries - 1);
};
if (sample) begin(50);
