// A click on a stretch of time plays it in the video, a click on the curves goes there; the playhead follows the video.
let end = Infinity, unfolded = false;
const video = () => element.querySelector(".screen video");
const go = (start, stop) => {
    const player = video();
    element.classList.add("playing");
    end = stop;
    player.currentTime = start;
    player.play().catch(() => {});  // what cannot be played says so below
};
element.addEventListener("click", (event) => {
    const stretch = event.target.closest("[data-start]");
    const curves = event.target.closest(".film, svg");
    const summary = event.target.closest("summary");
    if (summary) unfolded = !summary.parentElement.open;
    if (stretch) go(Number(stretch.dataset.start), Number(stretch.dataset.end));
    else if (curves) {
        const box = curves.getBoundingClientRect();
        const {length, lead} = element.querySelector("svg").dataset;
        go((event.clientX - box.left) / box.width * Number(length) + Number(lead), Infinity);
    }
});
watch("value", () => { element.querySelector("details").open = unfolded; });  // new scores fold it up
// Events of media do not bubble, but can be captured.
element.addEventListener("timeupdate", (event) => {
    if (event.target !== video()) return;
    const {currentTime, paused} = event.target;
    if (currentTime >= end && !paused) {
        event.target.pause();
        end = Infinity;
    }
    const {length, lead} = element.querySelector("svg").dataset;
    const share = Math.min(Math.max((currentTime - Number(lead)) / Number(length), 0), 1);
    element.style.setProperty("--playhead", `${100 * share}%`);
}, true);
element.addEventListener("error", (event) => {
    if (event.target === video()) element.classList.add("unplayable");
}, true);
element.addEventListener("loadedmetadata", (event) => {
    if (event.target === video()) element.classList.remove("unplayable");
}, true);
