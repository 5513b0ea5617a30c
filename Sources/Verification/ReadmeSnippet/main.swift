import Martlet

struct Movie: Codable {
    var movie_id: Int32
    var title: String
}

let node = CommandLine.arguments.dropFirst().first ?? "127.0.0.1:9042"
let client = try await MartletClient.connect(ClientConfiguration(contactPoints: [node]))
let movies = try await client.query(
    "SELECT movie_id, title FROM ml.movies WHERE movie_id IN (?, ?)",
    Int32(1),
    Int32(2),
    as: Movie.self,
    consistency: .quorum
)
for movie in movies { print(movie.movie_id, movie.title) }
await client.close()
