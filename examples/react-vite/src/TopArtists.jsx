import { useSpotify } from "./useSpotify.js";

export default function TopArtists({ range }) {
  const { data, error } = useSpotify(`/v1/me/top/artists?limit=10&time_range=${range}`);
  if (error) return <p role="alert">{error}</p>;
  if (!data) return <p role="status">Loading</p>;
  if (data.items.length === 0) return <p>No artists yet. Listen to something first.</p>;
  return (
    <ol id="artists">
      {data.items.map((artist) => <li key={artist.id}>{artist.name}</li>)}
    </ol>
  );
}
